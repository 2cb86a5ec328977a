"""Merging into a bucket's document: everything that is not ours stays as it was, byte for byte."""

import json
from dataclasses import replace

import pytest

from fixtures.estate import Notification, Rule
from fixtures.readers.buckets import parse_notification
from remediation.notification_merge import Merge, entry_of, foreign_differences

ARN = "arn:aws:lambda:eu-west-1:111122223333:function:x-scwx-tdr-lambda-awsalb"
OTHER = "arn:aws:lambda:eu-west-1:111122223333:function:report-indexer"
GONE = "arn:aws:lambda:eu-west-1:111122223333:function:decommissioned"
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:inventory"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:deletions"
CREATED = "s3:ObjectCreated:*"


def entry(
    arn: str,
    kind: str = "LambdaFunction",
    *,
    prefix: str = "",
    suffix: str = "",
    names: str = "Prefix Suffix",
    events: tuple[str, ...] = (CREATED,),
    mark: str | None = "mark",
) -> dict[str, object]:
    """An entry as S3 gives it; `names` is how it spells the filter's names."""
    pairs = zip(names.split(), (prefix, suffix), strict=True)
    filters = [{"Name": name, "Value": text} for name, text in pairs if text]
    return {
        **({"Id": mark} if mark else {}),
        f"{kind}Arn": arn,
        "Events": list(events),
        **({"Filter": {"Key": {"FilterRules": filters}}} if filters else {}),
    }


FULL: dict[str, object] = {
    "TopicConfigurations": [entry(TOPIC, "Topic", events=("s3:ObjectRemoved:*",), mark=None)],
    "QueueConfigurations": [entry(QUEUE, "Queue", prefix="inventory/", suffix=".csv", names="prefix suffix")],
    "LambdaFunctionConfigurations": [
        entry(OTHER, prefix="reports/", names="Prefix SUFFIX"),
        entry(GONE, prefix="archive/", mark="old-index"),
    ],
    "EventBridgeConfiguration": {},
}
OURS = Rule("function", ARN, (CREATED,), "AWSLogs/", ".gz", id="taegis-forwarders-x")
STALE = Rule("function", GONE, (CREATED,), "archive/")


def seen(document: dict[str, object]) -> Notification:
    return parse_notification({**document, "ResponseMetadata": {"RequestId": "x"}})


def text(found: object) -> str:
    return json.dumps(found, sort_keys=True)


@pytest.mark.parametrize("part", sorted(FULL))
def test_every_part_of_others_is_written_back_as_it_came(part: str) -> None:
    after = Merge((OURS,), ()).document(seen(FULL))
    if part == "LambdaFunctionConfigurations":
        entries = after[part]
        assert isinstance(entries, list)
        assert text(entries[:-1]) == text(FULL[part])
        assert entries[-1] == entry_of(OURS)
    else:
        assert text(after[part]) == text(FULL[part])


def test_nothing_is_left_out_of_or_put_into_the_document_but_our_rule() -> None:
    assert set(Merge((OURS,), ()).document(seen(FULL))) == set(FULL)


@pytest.mark.parametrize("part", sorted(FULL))
def test_a_document_with_one_part_keeps_it(part: str) -> None:
    after = Merge((OURS,), ()).document(seen({part: FULL[part]}))
    assert set(after) == {part, "LambdaFunctionConfigurations"}


def test_an_empty_document_gets_our_rule_and_nothing_else() -> None:
    assert Merge((OURS,), ()).document(seen({})) == {"LambdaFunctionConfigurations": [entry_of(OURS)]}


def test_the_answers_metadata_never_becomes_a_part_of_the_document() -> None:
    assert "ResponseMetadata" not in Merge((), ()).document(seen(FULL))


def test_merging_what_is_there_changes_nothing() -> None:
    merge = Merge((replace(OURS, prefix="reports/", suffix="", arn=OTHER),), ())
    assert merge.done_in(seen(FULL))
    assert text(merge.document(seen(FULL))) == text(FULL)


def test_merging_twice_is_merging_once() -> None:
    merge = Merge((OURS,), (STALE,))
    once = merge.document(seen(FULL))
    assert merge.done_in(seen(once))
    assert text(merge.document(seen(once))) == text(once)


@pytest.mark.parametrize("mark", [None, "other-id"])
@pytest.mark.parametrize("names", ["Prefix Suffix", "prefix suffix", "PREFIX SUFFIX"])
def test_a_rule_is_ours_whatever_its_id_and_the_case_of_its_filter(mark: str | None, names: str) -> None:
    there = seen(
        {"LambdaFunctionConfigurations": [entry(ARN, prefix="AWSLogs/", suffix=".gz", names=names, mark=mark)]}
    )
    assert Merge((OURS,), ()).done_in(there)
    assert not Merge((), (OURS,)).done_in(there)


def test_events_in_another_order_are_the_same_rule() -> None:
    events = ("s3:ObjectCreated:Put", "s3:ObjectCreated:Copy")
    there = seen({"LambdaFunctionConfigurations": [entry(ARN, events=events)]})
    assert Merge((Rule("function", ARN, tuple(sorted(events))),), ()).done_in(there)


@pytest.mark.parametrize(
    "near",
    [{"prefix": "AWSLogs"}, {"suffix": ""}, {"events": ("s3:ObjectCreated:Put",)}, {"kind": "queue"}, {"arn": OTHER}],
    ids=lambda near: next(iter(near)),
)
def test_a_rule_that_differs_in_one_thing_is_another_rule(near: dict[str, object]) -> None:
    there = Notification((replace(OURS, **near),), eventbridge=False, document="{}")  # type: ignore[arg-type]
    assert not Merge((OURS,), ()).done_in(there)


def test_a_rule_is_taken_out_alone_and_its_part_only_when_empty() -> None:
    after = Merge((), (STALE,)).document(seen(FULL))
    assert after["LambdaFunctionConfigurations"] == [entry(OTHER, prefix="reports/", names="Prefix SUFFIX")]
    alone: dict[str, object] = {
        "LambdaFunctionConfigurations": [entry(GONE, prefix="archive/")],
        "EventBridgeConfiguration": {},
    }
    assert Merge((), (STALE,)).document(seen(alone)) == {"EventBridgeConfiguration": {}}


def test_a_rule_that_is_replaced_goes_and_comes_in_one_document() -> None:
    after = Merge((OURS,), (STALE,)).document(seen(FULL))
    arns = [entry["LambdaFunctionArn"] for entry in after["LambdaFunctionConfigurations"]]  # type: ignore[attr-defined]
    assert arns == [OTHER, ARN]


def test_an_id_that_is_taken_is_left_to_s3() -> None:
    there = seen({"QueueConfigurations": [entry(QUEUE, "Queue", prefix="a/", mark=OURS.id)]})
    twins = (OURS, replace(OURS, arn=OTHER, prefix="b/"), replace(OURS, prefix="c/", id=None))
    added = Merge(twins, ()).document(there)["LambdaFunctionConfigurations"]
    assert [entry.get("Id") for entry in added] == [None, None, None]  # type: ignore[attr-defined]
    free = Merge(twins, ()).document(seen({}))["LambdaFunctionConfigurations"]
    assert [entry.get("Id") for entry in free] == [OURS.id, None, None]  # type: ignore[attr-defined]


def test_a_rule_for_every_object_has_no_filter() -> None:
    assert entry_of(Rule("function", ARN, (CREATED,))) == {"LambdaFunctionArn": ARN, "Events": [CREATED]}
    only = entry_of(Rule("function", ARN, (CREATED,), suffix=".gz"))
    assert only["Filter"] == {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".gz"}]}}


OVERLAPS = [
    pytest.param("AWSLogs/", "", CREATED, True, id="the-same-prefix"),
    pytest.param("AWSLogs/1/", "", CREATED, True, id="a-longer-prefix"),
    pytest.param("AWS", "", CREATED, True, id="a-shorter-prefix"),
    pytest.param("", "", CREATED, True, id="every-object"),
    pytest.param("", "s.gz", CREATED, True, id="a-longer-suffix"),
    pytest.param("", "z", CREATED, True, id="a-shorter-suffix"),
    pytest.param("AWSLogs/", ".gz", "s3:ObjectCreated:Put", True, id="one-of-the-events"),
    pytest.param("other/", "", CREATED, False, id="another-prefix"),
    pytest.param("AWSLogs/", ".json", CREATED, False, id="another-suffix"),
    pytest.param("AWSLogs/", ".gz", "s3:ObjectRemoved:*", False, id="another-event"),
    pytest.param("", "", "s3:ObjectTagging:Put", False, id="every-object-another-event"),
]


@pytest.mark.parametrize(("prefix", "suffix", "event", "conflicts"), OVERLAPS)
@pytest.mark.parametrize("kind", ["Queue", "Topic", "LambdaFunction"])
def test_what_s3_would_refuse_is_said_before(kind: str, prefix: str, suffix: str, event: str, conflicts: bool) -> None:
    arns = {"Queue": QUEUE, "Topic": TOPIC, "LambdaFunction": OTHER}
    there = seen({f"{kind}Configurations": [entry(arns[kind], kind, prefix=prefix, suffix=suffix, events=(event,))]})
    found = Merge((OURS,), ()).conflicts(there)
    assert bool(found) is conflicts
    assert all(arns[kind] in text and ARN in text for text in found)


def test_a_rule_that_goes_or_is_ours_already_is_no_conflict() -> None:
    former = replace(OURS, arn=GONE)
    there = seen({"LambdaFunctionConfigurations": [entry(GONE, prefix="AWSLogs/", suffix=".gz")]})
    assert Merge((OURS,), ()).conflicts(there)
    assert not Merge((OURS,), (former,)).conflicts(there)
    standing = seen({"LambdaFunctionConfigurations": [entry(ARN, prefix="AWSLogs/", suffix=".gz")]})
    assert not Merge((OURS,), ()).conflicts(standing)


def test_two_rules_of_ours_that_overlap_are_a_conflict_too() -> None:
    rival = replace(OURS, arn=OTHER, prefix="AWSLogs/eu/")
    assert len(Merge((OURS, rival), ()).conflicts(seen({}))) == 1
    standing = seen({"LambdaFunctionConfigurations": [entry(ARN, prefix="AWSLogs/", suffix=".gz")]})
    assert len(Merge((OURS, rival), ()).conflicts(standing)) == 1
    assert not Merge((OURS, replace(rival, prefix="elb/")), ()).conflicts(seen({}))


def test_what_others_changed_meanwhile_is_told_and_ours_is_not() -> None:
    merge = Merge((OURS,), (STALE,))
    before = seen(FULL)
    late = entry(OTHER, prefix="late/", mark="late")
    written = merge.document(before)
    parts = written["LambdaFunctionConfigurations"]
    assert isinstance(parts, list)
    changed = {**written, "LambdaFunctionConfigurations": [*parts[1:], late]}
    del changed["EventBridgeConfiguration"]
    told = foreign_differences(before, seen(changed), merge)
    assert len(told) == 3
    assert f"rule late (s3:ObjectCreated:* for late/* to {OTHER}) is new" in told
    assert "EventBridge is off" in told
    assert foreign_differences(before, seen(written), merge) == ()
