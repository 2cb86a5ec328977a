"""What the emulated STS, IAM, Account, EC2, tagging and Secrets Manager answer: who is who, which regions are on."""

from benchmarks.estate import HOME, REGIONS, ROLE, Estate, Target
from benchmarks.reply import Reply, of_json, of_query, refused
from benchmarks.request import Request


def answer(request: Request, estate: Estate) -> Reply | None:  # noqa: PLR0911  an operation each
    """The answer, None for an operation that nobody should need."""
    match request.operation:
        case "AssumeRole":
            return _assumed(request, estate)
        case "GetCallerIdentity":
            account = request.account
            who = f"arn:aws:iam::{HOME}:user/benchmark"
            if account != HOME:
                who = f"arn:aws:sts::{account}:assumed-role/{ROLE}/audit"
            return of_query(
                "GetCallerIdentity", f"<Arn>{who}</Arn><UserId>AIDASYNTHETIC</UserId><Account>{account}</Account>"
            )
        case "ListAccountAliases":
            return of_query("ListAccountAliases", "<IsTruncated>false</IsTruncated><AccountAliases/>")
        case "ListRegions":
            states = [{"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT"} for name in REGIONS]
            return of_json({"Regions": states})
        case "DescribeRegions":
            return _regions()
        case "GetResources":
            return of_json({"ResourceTagMappingList": [], "PaginationToken": ""})
    return None


def secret(request: Request, target: Target) -> Reply | None:
    """What Secrets Manager answers."""
    if request.operation != "DescribeSecret":
        return None
    return of_json({"ARN": target.secret, "Name": "TaegisCredentials", "VersionIdsToStages": {"1": ["AWSCURRENT"]}})


def _assumed(request: Request, estate: Estate) -> Reply:
    role = request.form.get("RoleArn", "")
    account = (role.split(":") + [""] * 5)[4]
    if account not in estate.account_ids or not role.endswith(f":role/{ROLE}"):
        return refused("sts", "AccessDenied", f"not authorized to perform: sts:AssumeRole on resource: {role}", 403)
    session = request.form.get("RoleSessionName", "audit")
    return of_query(
        "AssumeRole",
        f"<Credentials><AccessKeyId>ASIA{account}BENC</AccessKeyId><SecretAccessKey>synthetic</SecretAccessKey>"
        "<SessionToken>synthetic</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROASYNTHETIC:{session}</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account}:assumed-role/{ROLE}/{session}</Arn></AssumedRoleUser>",
    )


def _regions() -> Reply:
    names = "".join(
        f"<item><regionName>{name}</regionName><regionEndpoint>ec2.{name}.amazonaws.com</regionEndpoint>"
        "<optInStatus>opt-in-not-required</optInStatus></item>"
        for name in REGIONS
    )
    body = (
        f"<DescribeRegionsResponse><requestId>1</requestId><regionInfo>{names}</regionInfo></DescribeRegionsResponse>"
    )
    return Reply(200, "text/xml", body.encode())
