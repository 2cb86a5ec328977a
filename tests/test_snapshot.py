"""An estate survives its file, whole; the file is private, and everything else is refused in one line."""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.estate import Encryption, Estate, Invocation, KeyPolicy, LogFlow, Metrics, SecretFacts, Target, Topic
from fixtures.fact import NOT_READ, Absent, Cause, Unreadable
from fixtures.snapshot import read_snapshot, write_snapshot
from fixtures.stack_facts import Drift, PendingChangeSet
from tests.estates import (
    NOW,
    OTHER_ACCOUNT,
    a_bucket,
    a_flow,
    a_forwarder,
    a_function,
    a_legacy_forwarder,
    a_rule,
    a_seen,
    a_shared_stack,
    a_statement,
    an_artifact_bucket,
    an_estate,
    an_unreached,
    denied,
)

THERE = Target(OTHER_ACCOUNT, "eu-west-1")
EVERY_CAUSE = [Unreadable("lambda:GetPolicy", cause, f"because {cause}") for cause in Cause]


def everything() -> Estate:
    """An estate with every kind of fact in every state."""
    odd = a_forwarder(
        "odd",
        integration=None,
        bucket_name=None,
        topic_arn="arn:aws:sns:us-east-1:111122223333:logs",
        template=denied("cloudformation:GetTemplate"),
        resources=(),
        listed=Absent("function odd"),
        function=a_function("odd", runtime=None, last_modified=None, architectures=(), reserved_concurrency=0,
                            kms_key_arn="key", dead_letter_arn="dead"),
        policy=(a_statement(conditions=("Bool aws:SecureTransport",), allow=False), a_statement(sid="")),
        invocation=Invocation(0, "arn:aws:sqs:us-east-1:111122223333:failed"),
        flow=LogFlow("/g", NOW - timedelta(microseconds=1), NOW, 0, 0, 0, None, ("one", "zwei ü 日本"), complete=False),
        metrics=Metrics(None, 0.0, 1.5, None),
        code_source=Absent("object s3://a/b"),
        change_sets=(PendingChangeSet("n", "i", "AVAILABLE"),),
        drift=Drift("DRIFTED", ("A", "B")),
    )  # fmt: skip
    nothing = dict.fromkeys(("resources", "function", "policy", "invocation", "flow", "metrics", "drift"), NOT_READ)
    unread = a_forwarder("unread", **nothing)
    failed = [a_forwarder(f"failed-{number}", policy=reason) for number, reason in enumerate(EVERY_CAUSE)]
    shared = a_shared_stack(secret=SecretFacts("arn", has_value=False, digest="0" * 64))
    return an_estate(
        a_forwarder(),
        a_legacy_forwarder("old", THERE),
        odd,
        unread,
        *failed,
        targets=[
            an_unreached(Target("777788889999", "us-east-1")),
            a_seen(target=Target("777788889999", "eu-west-1"), shared=(), functions=denied("lambda:ListFunctions"),
                   stacks=denied("cloudformation:DescribeStacks"), lookalikes=("one",), orphans=("two",),
                   artifact=an_artifact_bucket(THERE, public=True, package=Absent("object"))),
        ],
        buckets=[
            a_bucket("logs", a_rule(), a_rule("q", kind="queue", id=None, prefix="a", suffix="b"), target=THERE,
                     encryption=Encryption("aws:kms", "key")),
            a_bucket("gone", notification=Absent("bucket gone"), region=Absent("bucket gone"), encryption=NOT_READ),
        ],
        topics=[Topic("arn:1", ("a", "b")), Topic("arn:2", Absent("topic")), Topic("arn:3", ())],
        keys={"k1": KeyPolicy("k1", "1", delegates=True, principals=()), "k2": denied("kms:GetKeyPolicy"),
              "k3": KeyPolicy("k3", "1", delegates=False, principals=("a",), conditional=("c",))},
        shared=(shared, a_shared_stack(secret=denied("secretsmanager:DescribeSecret"))),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["estate.json", "estate.json.gz", "estate"])
def test_every_kind_of_fact_comes_back_as_it_went(name: str, tmp_path: Path) -> None:
    before = everything()
    write_snapshot(before, tmp_path / name)
    after = read_snapshot(tmp_path / name)
    assert after == before
    assert asdict(after) == asdict(before)  # also what equality leaves out, such as a rule's id


def test_the_types_come_back_too(tmp_path: Path) -> None:
    """A list for a tuple would be equal to nothing, an int for a float to everything."""
    before = everything()
    write_snapshot(before, tmp_path / "e")

    def kinds(found: object) -> object:
        if isinstance(found, Mapping):
            return {name: kinds(part) for name, part in found.items()}
        if isinstance(found, tuple | list):
            return type(found), [kinds(part) for part in found]
        return type(found) if not hasattr(found, "tzinfo") else "time"

    assert kinds(asdict(read_snapshot(tmp_path / "e"))) == kinds(asdict(before))


def test_a_snapshot_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write_snapshot(everything(), tmp_path / name)
    one, other = ((tmp_path / name).read_bytes() for name in ("a.gz", "b.gz"))
    assert one == other
    assert one[4:8] == bytes(4)  # where gzip keeps the time


def test_only_its_owner_may_read_it_even_where_a_file_was_open_to_all(tmp_path: Path) -> None:
    path = tmp_path / "estate.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write_snapshot(everything(), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["estate.json"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "estate.json"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_snapshot(everything(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["estate.json"]


def content(**changes: object) -> bytes:
    return json.dumps({"format": "taegis-forwarders snapshot", "version": 1, "estate": {}, **changes}).encode()


REFUSALS = {
    "empty": (b"", "not a snapshot (Invalid JSON"),
    "garbage": (b"\x00\x01", "not a snapshot (Invalid JSON"),
    "other-json": (b"[1]", "not a snapshot ("),
    "other-object": (b"{}", "not a snapshot (format: Field required)"),
    "other-format": (content(format="cloud inventory"), "not a snapshot of this suite"),
    "newer": (content(version=2), "version 2, this suite reads 1; take it again with --snapshot"),
    "no-estate": (content(), "not a snapshot (estate."),
    "half-a-gzip": (gzip.compress(content())[:-9], "not a whole gzip file"),
    "spoiled-gzip": (gzip.compress(content())[:10] + b"\xff" * 30, "not a whole gzip file"),
    "gzip-of-garbage": (gzip.compress(b"nothing"), "not a snapshot (Invalid JSON"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_snapshot_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "estate.json"
    raw, expected = REFUSALS[name]
    path.write_bytes(raw)
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        read_snapshot(path)
    assert str(caught.value).startswith(f"snapshot {path}: ")
    assert "\n" not in str(caught.value)


def test_a_fact_that_is_none_of_its_kinds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "estate.json"
    write_snapshot(an_estate(a_forwarder(flow=a_flow())), path)
    spoiled = json.loads(path.read_text(encoding="utf-8"))
    spoiled["estate"]["targets"][0]["forwarders"][0]["flow"] = {"proved": 3}
    path.write_text(json.dumps(spoiled), encoding="utf-8")
    with pytest.raises(InputError, match="not a snapshot"):
        read_snapshot(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_snapshot(tmp_path / "estate.json")


@pytest.mark.parametrize("place", ["missing/estate.json", "."])
def test_a_place_that_cannot_be_written_is_told_in_one_line(place: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a file that can be written"):
        write_snapshot(everything(), tmp_path / place)
