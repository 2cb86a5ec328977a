"""What the emulated Lambda answers."""

import json

from benchmarks.estate import TAEGIS_REGION, Forwarder, Target, code_of
from benchmarks.reply import Reply, of_json, refused
from benchmarks.request import Request

_PAGE = 50  # ListFunctions (Lambda API reference)


def answer(request: Request, target: Target) -> Reply | None:  # noqa: PLR0911  an operation each
    """The answer, None for an operation that nobody should need."""
    if request.operation == "ListFunctions":
        begin = int(request.query.get("Marker", "0"))
        rows = [_row(target, forwarder) for forwarder in target.forwarders[begin : begin + _PAGE]]
        more = {"NextMarker": str(begin + _PAGE)} if target.size > begin + _PAGE else {}
        return of_json({"Functions": rows, **more})
    name = request.path.strip("/").split("/")[2].rpartition(":")[2]
    forwarder = next((found for found in target.forwarders if found.function == name), None)
    missing = refused("lambda", "ResourceNotFoundException", f"Function not found: {name}", 404)
    if forwarder is None:
        return missing
    match request.operation:
        case "GetFunction":
            return of_json({"Configuration": _one(target, forwarder), "Code": _CODE, "Tags": {}})
        case "GetFunctionConfiguration":
            return of_json(_one(target, forwarder))
        case "GetPolicy":
            return of_json({"Policy": json.dumps(_policy(target, forwarder)), "RevisionId": "1"})
        case "GetFunctionEventInvokeConfig":
            return refused(
                "lambda", "ResourceNotFoundException", f"The function {name} doesn't have an EventInvokeConfig", 404
            )
    return None


_CODE = {"RepositoryType": "S3", "Location": "https://example.invalid/package?signature=synthetic"}


def _row(target: Target, forwarder: Forwarder) -> dict[str, object]:
    code = code_of(legacy=forwarder.is_legacy)
    variables = {"LEGACY_TOKEN": "synthetic"} if forwarder.is_legacy else {
        "INTEGRATION_TYPE": "awscloudtrail", "TAEGIS_SECRET_ARN": target.secret, "TAEGIS_REGION": TAEGIS_REGION,
        "ENABLE_OBJECT_TAGGING": "false",
    }  # fmt: skip
    return {
        "FunctionName": forwarder.function, "FunctionArn": arn(forwarder), "Runtime": forwarder.runtime,
        "Role": f"arn:aws:iam::{target.account}:role/{forwarder.stack}-TaegisLambdaRole-1A2B3C4D5E6F",
        "Handler": "main" if forwarder.is_legacy else "bootstrap", "CodeSize": len(code.content),
        "Description": "SYNTHETIC forwarder", "Timeout": 300, "MemorySize": 512,
        "LastModified": "2026-10-01T08:00:00.000+0000", "CodeSha256": code.code_sha256, "Version": "$LATEST",
        "Environment": {"Variables": variables}, "TracingConfig": {"Mode": "PassThrough"}, "RevisionId": "1",
        "PackageType": "Zip", "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{forwarder.function}"},
    }  # fmt: skip


def _one(target: Target, forwarder: Forwarder) -> dict[str, object]:
    return _row(target, forwarder) | {"State": "Active", "LastUpdateStatus": "Successful"}


def _policy(target: Target, forwarder: Forwarder) -> dict[str, object]:
    whence: dict[str, object] = {"ArnLike": {"AWS:SourceArn": f"arn:aws:s3:::{forwarder.bucket}"}}
    if not forwarder.is_legacy:  # the old template does not name the account
        whence["StringEquals"] = {"AWS:SourceAccount": target.account}
    statement = {
        "Sid": f"{forwarder.stack}-BucketPermission-1A2B3C4D5E6F", "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
        "Resource": arn(forwarder), "Condition": whence,
    }  # fmt: skip
    return {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}


def arn(forwarder: Forwarder) -> str:
    """The function's ARN."""
    return f"arn:aws:lambda:{forwarder.region}:{forwarder.account}:function:{forwarder.function}"
