"""Which rules make S3 refuse a whole notification document: those whose function is gone, or does not let S3 in."""

from checks.wiring import S3, bucket_arn, describe, partition_of, permission
from fixtures.estate import Notification, Rule
from fixtures.fact import Absent, Unreadable
from fixtures.readers.functions import read_policy
from remediation.writer import Writer


def refused_rules(writer: Writer, document: Notification, bucket: str, owner: str) -> str:
    """A clause for people; S3 names no rule itself (service model, PutBucketNotificationConfiguration).

    Functions are asked for their policies; queues, topics, and functions of other accounts cannot be.
    """
    named = [rule for rule in document.rules if rule.kind == "function"]
    found = [why for rule in named if (why := _against(writer, rule, bucket, owner))]
    if found:
        return f"; {'; '.join(found)}"
    others = [rule.arn for rule in document.rules]
    return f"; the document also names {', '.join(others)}: one of them may be gone, or refuse S3" if others else ""


def _against(writer: Writer, rule: Rule, bucket: str, owner: str) -> str:
    pieces = rule.arn.split(":")
    if len(pieces) < 7 or (pieces[3], pieces[4]) != (writer.region, writer.account):
        return ""
    policy = read_policy(writer.aws, writer.region, pieces[6])
    if isinstance(policy, Unreadable):
        return ""
    if isinstance(policy, Absent):
        return f"{describe(rule)} names a function that is gone"
    if len(pieces) > 7:
        return ""
    said = permission(policy, S3, bucket_arn(partition_of(rule.arn), bucket), owner)
    open_to_it = said.unclear or (said.allowing and not said.denying)
    return "" if open_to_it else f"{describe(rule)} names a function that does not let S3 in"
