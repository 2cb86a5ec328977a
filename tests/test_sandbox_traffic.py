"""The log sources write for every forwarder, what they wrote arrives once, and nothing of them outlives the sandbox."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.sandbox import (
    LOG_SOURCE_AGENT,
    Kind,
    Outcome,
    Placed,
    Sandbox,
    SandboxSpec,
    Sent,
    Trigger,
    placed_cases,
    run_sandbox_command,
    start_sandbox,
)
from fixtures.sandbox.log_source import LogSource
from fixtures.sandbox.seed_client import Place, SeedClients
from fixtures.sandbox.synthetic_release import XDR_ACCOUNT, XDR_BUCKET, XDR_REGION
from tests.sandbox_engine import eventually, requests_of

ACCOUNTS = ("111122223333",)
REGIONS = ("us-east-1", "eu-west-1")
FORWARDERS = tuple(row for row in placed_cases(ACCOUNTS, REGIONS) if row.case.kind is Kind.FORWARDER)
CALLED = tuple(row for row in FORWARDERS if row.case.trigger is not Trigger.NONE)
HEALTHY = {row.case.name for row in FORWARDERS if row.case.outcome is Outcome.PASSED}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS), tmp_path_factory.mktemp("quiet")) as running:
        yield running


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS, traffic=20), tmp_path_factory.mktemp("busy")) as running:
        yield running


@functools.cache
def clients_of(endpoint: str) -> SeedClients:
    return SeedClients(endpoint)


def log_lines(sandbox: Sandbox, row: Placed) -> list[str]:
    place = clients_of(sandbox.endpoint).at(row.account, row.region)
    group = f"/aws/lambda/{row.case.function_name}"
    return [event["message"] for event in place.call("logs", "filter_log_events", logGroupName=group)["events"]]  # type: ignore[attr-defined]


def arrivals(sandbox: Sandbox, sent: Sent) -> int:
    xdr = clients_of(sandbox.endpoint).at(XDR_ACCOUNT, XDR_REGION)
    answer = xdr.call("s3", "list_objects_v2", Bucket=XDR_BUCKET, Prefix=sent.delivered_below)
    return int(str(answer["KeyCount"]))


def traffic_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == LOG_SOURCE_AGENT]


@pytest.mark.parametrize("row", CALLED, ids=lambda row: row.case.name)
def test_a_freshly_seeded_forwarder_was_called(quiet: Sandbox, row: Placed) -> None:
    lines = log_lines(quiet, row)
    assert any(line.startswith("START ") for line in lines)
    assert any(line.startswith("REPORT ") for line in lines)
    assert any("Uploading data to s3" in line for line in lines) is (row.case.name in HEALTHY)


def test_without_a_rate_each_forwarder_is_written_for_once_and_nothing_runs(quiet: Sandbox) -> None:
    assert Counter(one.forwarder for one in quiet.sent()) == Counter(row.case.name for row in FORWARDERS)
    source = LogSource(quiet.endpoint, FORWARDERS)
    before = traffic_threads()
    source.start(0)
    assert traffic_threads() == before
    source.stop()
    assert source.sent() == ()


def test_every_forwarder_is_written_for_in_turn_under_its_prefix_and_suffix(busy: Sandbox) -> None:
    assert eventually(lambda: len(busy.sent()) >= 3 * len(FORWARDERS))
    counted = Counter(one.forwarder for one in busy.sent())
    assert max(counted.values()) - min(counted.values()) <= 1
    rows = {row.case.name: row for row in FORWARDERS}
    assert set(counted) == set(rows)
    for one in busy.sent():
        row = rows[one.forwarder]
        assert one.key.startswith(row.case.prefix)
        assert one.key.endswith(row.case.suffix)
        assert one.source == (row.bucket or "/app/payments")
    assert len({one.key for one in busy.sent()}) == len(busy.sent())


def test_what_a_healthy_forwarder_is_sent_arrives_exactly_once(busy: Sandbox) -> None:
    eventually(lambda: len(busy.sent()) >= 2 * len(FORWARDERS))
    sent = busy.sent()
    counted = eventually(lambda: _all_arrived(busy, [one for one in sent if one.forwarder in HEALTHY]))
    assert counted
    assert all(arrivals(busy, one) == (one.forwarder in HEALTHY) for one in sent if one.source != "/app/payments")


def _all_arrived(sandbox: Sandbox, sent: list[Sent]) -> bool:
    return len(sent) > 1 and all(arrivals(sandbox, one) for one in sent)


def test_an_event_of_the_log_group_calls_the_subscribed_forwarder_each_time(busy: Sandbox) -> None:
    row = next(row for row in FORWARDERS if row.case.trigger is Trigger.SUBSCRIPTION)
    eventually(lambda: len(busy.sent()) >= 2 * len(FORWARDERS))
    events = sum(one.forwarder == row.case.name for one in busy.sent())
    assert events >= 2
    assert eventually(lambda: sum(line.startswith("START ") for line in log_lines(busy, row)) >= events)


def test_the_request_log_tells_the_log_sources_from_everybody_else(busy: Sandbox) -> None:
    sent = busy.sent()
    mine = [entry for entry in requests_of(busy.endpoint) if entry["agent"] == LOG_SOURCE_AGENT]
    assert {(entry["service"], entry["operation"]) for entry in mine} == {("s3", "PutObject"), ("logs", "PutLogEvents")}
    assert {f"/{one.source}/{one.key}" for one in sent if one.source != "/app/payments"} <= {
        str(entry["resource"]) for entry in mine
    }


def test_a_bucket_that_is_gone_does_not_end_the_traffic_of_the_others(quiet: Sandbox) -> None:
    row = next(row for row in FORWARDERS if row.case.name == "alb-edge")
    _remove_bucket(clients_of(quiet.endpoint).at(row.account, row.region), row.bucket)
    source = LogSource(quiet.endpoint, FORWARDERS)
    source.start(20)
    try:
        assert eventually(lambda: len(source.sent()) > len(FORWARDERS))
        assert row.case.name not in {one.forwarder for one in source.sent()}
    finally:
        source.stop()


def _remove_bucket(place: Place, bucket: str) -> None:
    for one in place.call("s3", "list_objects_v2", Bucket=bucket).get("Contents", []):  # type: ignore[attr-defined]
        place.call("s3", "delete_object", Bucket=bucket, Key=one["Key"])
    place.call("s3", "delete_bucket", Bucket=bucket)


def test_stopping_leaves_no_thread_and_the_ledger_can_still_be_read(tmp_path: Path) -> None:
    before = set(traffic_threads())
    sandbox = start_sandbox(SandboxSpec(ACCOUNTS, REGIONS[:1], traffic=20), tmp_path)
    (mine,) = set(traffic_threads()) - before
    seeded = len({one.forwarder for one in sandbox.sent()})
    assert eventually(lambda: len(sandbox.sent()) > seeded)
    sandbox.stop()
    assert not mine.is_alive()
    assert len(sandbox.sent()) > seeded


def test_traffic_can_end_before_the_sandbox_does(tmp_path: Path) -> None:
    with start_sandbox(SandboxSpec(ACCOUNTS, REGIONS[:1], traffic=20), tmp_path) as sandbox:
        sandbox.stop_traffic()
        sent = sandbox.sent()
        place = clients_of(sandbox.endpoint).at(ACCOUNTS[0], REGIONS[0])
        assert place.call("lambda", "list_functions")["Functions"], "the engine is still there"
        assert sandbox.sent() == sent


def test_an_engine_that_ended_by_itself_ends_the_traffic_and_does_not_hold_up_stop(tmp_path: Path) -> None:
    before = set(traffic_threads())
    sandbox = start_sandbox(SandboxSpec(ACCOUNTS, REGIONS[:1], traffic=20), tmp_path)
    (mine,) = set(traffic_threads()) - before
    sandbox._engine.stop()  # the crash that it cannot be asked for
    assert eventually(lambda: not mine.is_alive())
    started = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf"), 21.0])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(InputError, match=r"sandbox traffic .*: not a rate; give objects per second, 0 for none"):
        start_sandbox(SandboxSpec(traffic=rate), tmp_path)


def test_the_command_takes_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sandbox_command(["--traffic=-2"]) == 4
    assert capsys.readouterr().err.startswith("sandbox traffic -2: not a rate")
