"""Reads an emulated AWS back with plain boto3. Shares no code with the suite, on purpose: it is the second opinion.

    python tests/independent_reader.py ENDPOINT ACCOUNTS REGIONS [--probe] [--deliveries]

Prints JSON: for each account and region its stacks, the functions with a forwarder's name, every bucket with its
objects and its notification document, and with `--probe` what happened to an object that was put into each bucket a
forwarder is called for: the function's log lines about it, and how often it arrived at the bucket that plays XDR.
With `--deliveries` it prints the keys of everything that arrived there, and nothing else.
"""

import argparse
import hashlib
import json
import re
import sys
import time

import boto3  # noqa: TID251  it must not go through the suite's own readers
from botocore.exceptions import ClientError  # noqa: TID251  same

FORWARDER = re.compile(r"-scwx-tdr-lambda-")
XDR_ACCOUNT = "900000000001"
XDR_BUCKET = "taegis-xdr-ctpx"
XDR_REGION = "us-east-1"
UPLOAD = "Uploading data to s3"


class Reader:
    """boto3 in one account and region."""

    def __init__(self, endpoint: str, account: str, region: str) -> None:
        self.account, self.region = account, region
        session = boto3.Session(account, "independent", region_name=region)
        names = ("lambda", "s3", "logs", "sns", "cloudformation")
        self.clients = {name: session.client(name, endpoint_url=endpoint) for name in names}

    def functions(self) -> list[dict]:
        pages = self.clients["lambda"].get_paginator("list_functions").paginate()
        found = [one["FunctionName"] for page in pages for one in page["Functions"]]
        return [self.function(name) for name in sorted(found) if FORWARDER.search(name)]

    def function(self, name: str) -> dict:
        facts = self.clients["lambda"].get_function_configuration(FunctionName=name)
        kept = ("Runtime", "Handler", "CodeSha256", "State", "LastUpdateStatus", "Architectures", "LastModified",
                "Role", "Environment", "MemorySize", "Timeout")  # fmt: skip
        return {"FunctionName": name, **{key: facts.get(key) for key in kept}, "Policy": self.policy(name)}

    def policy(self, name: str) -> list[dict]:
        try:
            return json.loads(self.clients["lambda"].get_policy(FunctionName=name)["Policy"])["Statement"]
        except ClientError:
            return []

    def stacks(self) -> dict[str, str]:
        pages = self.clients["cloudformation"].get_paginator("describe_stacks").paginate()
        return {stack["StackName"]: stack["StackStatus"] for page in pages for stack in page["Stacks"]}

    def stack(self, name: str) -> dict:
        """Everything by which a stack that was touched differs from one that was not."""
        client = self.clients["cloudformation"]
        facts = client.describe_stacks(StackName=name)["Stacks"][0]
        template = client.get_template(StackName=name)["TemplateBody"]
        text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
        times = {key: str(facts.get(key)) for key in ("CreationTime", "LastUpdatedTime")}
        return {
            "StackStatus": facts["StackStatus"],
            "Parameters": {one["ParameterKey"]: one["ParameterValue"] for one in facts.get("Parameters", [])},
            "Template": hashlib.sha256(text.encode()).hexdigest(),
            "ChangeSets": [one["ChangeSetName"] for one in client.list_change_sets(StackName=name)["Summaries"]
                           if one["ExecutionStatus"] == "AVAILABLE"],
            **times,
        }  # fmt: skip

    def all_functions(self) -> list[str]:
        pages = self.clients["lambda"].get_paginator("list_functions").paginate()
        return sorted(one["FunctionName"] for page in pages for one in page["Functions"])

    def buckets(self) -> dict[str, dict[str, str]]:
        """ETag of every object by key, of every bucket of the region."""
        names = [one["Name"] for one in self.clients["s3"].list_buckets(BucketRegion=self.region)["Buckets"]]
        return {name: objects for name in names if (objects := self.objects(name)) is not None}

    def objects(self, bucket: str, prefix: str = "") -> dict[str, str] | None:
        pages = self.clients["s3"].get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return {one["Key"]: one["ETag"] for page in pages for one in page.get("Contents", [])}
        except ClientError:
            return None  # in another region

    def documents(self) -> dict[str, dict]:
        buckets = [one["Name"] for one in self.clients["s3"].list_buckets(BucketRegion=self.region)["Buckets"]]
        return {bucket: document for bucket in buckets if (document := self.document(bucket)) is not None}

    def document(self, bucket: str) -> dict | None:
        try:
            answer = self.clients["s3"].get_bucket_notification_configuration(Bucket=bucket)
        except ClientError:
            return None  # in another region
        return {name: part for name, part in answer.items() if name != "ResponseMetadata"}

    def log_lines(self, function: str) -> list[tuple[str, str]]:
        """(stream, line) of everything that a function has logged."""
        pages = self.clients["logs"].get_paginator("filter_log_events")
        try:
            found = [
                event for page in pages.paginate(logGroupName=f"/aws/lambda/{function}") for event in page["events"]
            ]
        except ClientError:
            return []
        return [(event["logStreamName"], event["message"]) for event in found]

    def called_functions(self, document: dict) -> list[tuple[str, str, str]]:
        """(function, prefix, suffix) of every forwarder that new objects of a bucket reach."""
        direct = [(rule["LambdaFunctionArn"], rule) for rule in document.get("LambdaFunctionConfigurations", [])]
        for rule in document.get("TopicConfigurations", []):
            listed = self.clients["sns"].list_subscriptions_by_topic(TopicArn=rule["TopicArn"])["Subscriptions"]
            direct += [(one["Endpoint"], rule) for one in listed if one["Protocol"] == "lambda"]
        calls = []
        for arn, rule in direct:
            filters = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            parts = {one["Name"].lower(): one["Value"] for one in filters}
            name = arn.rpartition(":")[2]
            if FORWARDER.search(name) and any(event.startswith("s3:ObjectCreated") for event in rule["Events"]):
                calls.append((name, parts.get("prefix", ""), parts.get("suffix", "")))
        return calls


def probe(reader: Reader, xdr: Reader, documents: dict[str, dict], wait: float) -> list[dict]:
    """Put an object under every forwarder's rule, and report what became of it."""
    sent = []
    for bucket, document in documents.items():
        for function, prefix, suffix in reader.called_functions(document):
            key = f"{prefix}probe/{time.time_ns()} a+b{suffix or '.json'}"
            before = reader.log_lines(function)
            reader.clients["s3"].put_object(Bucket=bucket, Key=key, Body=b"independent probe")
            sent.append({"bucket": bucket, "key": key, "function": function, "before": len(before)})
    until = time.monotonic() + wait
    waiting = list(sent)
    while waiting and time.monotonic() < until:
        for one in waiting:
            _look(one, reader, xdr)
        waiting = [one for one in waiting if not one["ended"]]
        time.sleep(0.1)
    for one in sent:
        _look(one, reader, xdr)  # once more at the end: a second delivery comes later than the first
    return sent


def _look(one: dict, reader: Reader, xdr: Reader) -> None:
    logged = reader.log_lines(one["function"])
    prefix = f"deliveries/{one['bucket']}/{one['key']}/"
    found = xdr.clients["s3"].list_objects_v2(Bucket=XDR_BUCKET, Prefix=prefix).get("Contents", [])
    requests = [entry["Key"].removeprefix(prefix).removesuffix(".json") for entry in found]
    # a delivery is called after the request that made it; without one, whatever was logged since is all there is
    lines = lines_of(logged, requests) if requests else [line for _, line in logged[one["before"] :]]
    one["delivered"] = len(found)
    one["uploads_logged"] = sum(UPLOAD in line for line in lines)
    one["starts"] = sum(line.startswith("START") for line in lines)
    one["errors"] = [line for line in lines if '"level":"error"' in line or "Error" in line or "bootstrap" in line]
    one["ended"] = any(line.startswith("REPORT") for line in lines)


def lines_of(logged: list[tuple[str, str]], requests: list[str]) -> list[str]:
    """What was logged from START to REPORT of these requests; a stream has one request at a time."""
    within: dict[str, bool] = {}
    lines = []
    for stream, line in logged:
        if line.startswith("START"):
            within[stream] = any(request in line for request in requests)
        if within.get(stream):
            lines.append(line)
    return lines


def main() -> None:
    """Read everything and print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("accounts")
    parser.add_argument("regions")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--deliveries", action="store_true")
    parser.add_argument("--wait", type=float, default=15.0)
    given = parser.parse_args()
    xdr = Reader(given.endpoint, XDR_ACCOUNT, XDR_REGION)
    if given.deliveries:
        json.dump(sorted(xdr.objects(XDR_BUCKET) or ()), sys.stdout)
        return
    report = []
    for account in given.accounts.split(","):
        for region in given.regions.split(","):
            reader = Reader(given.endpoint, account, region)
            documents = reader.documents()
            report.append({
                "account": account,
                "region": region,
                "stacks": (stacks := reader.stacks()),
                "stack_details": {name: reader.stack(name) for name in stacks},
                "functions": reader.functions(),
                "all_functions": reader.all_functions(),
                "buckets": reader.buckets(),
                "documents": documents,
                "probes": probe(reader, xdr, documents, given.wait) if given.probe else [],
            })  # fmt: skip
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
