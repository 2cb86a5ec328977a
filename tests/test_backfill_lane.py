"""A lane sends each event once, slows down, sets aside, stops, and writes all of it down."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.aws import Aws
from fixtures.fact import value
from fixtures.sandbox.aws_call import Answer, AwsCall
from remediation.backfill.book import Fate, Standing, read_book
from remediation.backfill.listing import Listed
from remediation.backfill.metric_watch import MetricWatch
from remediation.backfill.pace import Concurrency, Function, Pace, parse_budget
from remediation.backfill.part import Part
from remediation.backfill.story import Planned
from remediation.journal import iter_journal
from tests.backfill_world import ADDRESS, REGION, SUBJECT, FakeLambda, LaneWorld, a_lane, before
from tests.estates import a_forwarder
from tests.fake_aws import DENIED, FakeAws, garbage, jsonish, refusal, xml
from tests.writing import a_bench, hold_journal

Lanes = Callable[..., LaneWorld]
THROTTLED = refusal("TooManyRequestsException", "Rate Exceeded.", 429)
GONE = refusal("ResourceNotFoundException", "Function not found", 404)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call waits for its turn, and the log is looked into after each batch."""
    monkeypatch.setattr(Pace, "take", lambda _: 0.0)
    monkeypatch.setattr("remediation.backfill.lane._LOOK_EVERY", 0.0)


@pytest.fixture
def lanes(fake_account: Aws, tmp_path: Path) -> Iterator[Lanes]:
    """Makes lanes, and closes their journals."""
    with ExitStack() as closing:

        def make(number: int, **more: object) -> LaneWorld:
            world = a_lane(fake_account, tmp_path, number, **more)  # type: ignore[arg-type]
            closing.callback(world.bench.close)
            return world

        yield make


def keys(number: int) -> set[str]:
    return {f"AWSLogs/{position:05d}.json.gz" for position in range(1, number + 1)}


def test_every_object_is_sent_once_and_proved(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    world = lanes(120)
    lane = world.run()
    assert (lane.stopped, world.standing.count(Fate.PROVED)) == ("", 120)
    assert set(played.received) == keys(120)
    assert set(played.received.values()) == {1}
    hold_journal(world.bench)


def test_the_calls_are_asynchronous_and_name_the_function(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake)
    lanes(1).run()
    (call,) = [call for call in fake.seen if call.operation == "Invoke"]
    assert call.headers["x-amz-invocation-type"] == "Event"
    assert "/functions/f/invocations" in call.path


def test_nothing_follows_the_first_event_until_its_call_has_ended(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake, silent=True)
    lane = lanes(50, patience=0.3).run()
    assert played.received.total() == 1
    assert lane.stopped.startswith("what became of the first call was not seen")


def test_the_journal_says_what_the_standing_says(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake, poison=frozenset({"AWSLogs/00007.json.gz"}))
    world = lanes(30)
    world.run()
    world.bench.close()
    (told,) = read_book(iter_journal(world.bench.path)).standings.values()
    assert [told.fate(line) for line in range(1, 31)] == [world.standing.fate(line) for line in range(1, 31)]
    assert (told.again, told.maybe_sent, dict(told.waiting)) == ((), 0, {})
    assert told.reasons == world.standing.reasons


def test_one_poison_object_is_set_aside_and_the_rest_goes_on(fake: FakeAws, lanes: Lanes) -> None:
    poison = "AWSLogs/00013.json.gz"
    played = FakeLambda(fake, poison=frozenset({poison}))
    world = lanes(60)
    lane = world.run()
    assert lane.stopped == ""
    assert set(played.received) == keys(60) - {poison}
    assert (world.standing.undelivered, world.standing.reasons) == ((13,), {13: "cannot forward: no"})


def test_a_poison_object_that_comes_first_stops_nothing(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake, poison=frozenset({"AWSLogs/00001.json.gz"}))
    lane = lanes(20).run()
    assert (lane.stopped, len(played.received)) == ("", 19)


def test_a_function_that_fails_on_everything_stops_after_a_handful(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake, poison=frozenset(keys(500)))
    world = lanes(500)
    lane = world.run()
    assert "more than the error budget of 1% (at least 5); last: cannot forward: no" in lane.stopped
    assert world.standing.cursor <= 6
    assert world.standing.count(Fate.FAILED) == 6


def test_a_function_that_breaks_on_the_way_stops_soon(fake: FakeAws, lanes: Lanes) -> None:
    bad = {key for key in keys(500) if key >= "AWSLogs/00100"}
    FakeLambda(fake, poison=frozenset(bad))
    world = lanes(500)
    lane = world.run()
    assert "error budget" in lane.stopped
    assert world.standing.count(Fate.FAILED) < 110  # at most a batch or two behind the hundredth


def test_a_budget_of_none_stops_at_the_first(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake, poison=frozenset({"AWSLogs/00001.json.gz"}))
    lane = lanes(20, budget=parse_budget("0")).run()
    assert "1 of 1 calls failed" in lane.stopped


def test_throttled_calls_are_sent_again_and_slow_it_down(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    fake.say("lambda:Invoke", *before(THROTTLED, 3, played.take))
    world = lanes(10)
    lane = world.run()
    assert (lane.stopped, set(played.received.values())) == ("", {1})
    assert lane.pace.slowed >= 1


def test_endless_throttling_stops_it(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake)
    fake.say("lambda:Invoke", THROTTLED)
    world = lanes(10)
    lane = world.run()
    assert lane.stopped == "Lambda throttles every call of f"
    assert world.standing.again == (1,)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (DENIED, "denied"),
        (GONE, "Function not found"),
        (refusal("ExpiredTokenException", "The security token included in the request is expired", 403), "expired"),
        (refusal("ResourceConflictException", "The function is Pending", 409), "Pending"),
        (refusal("KMSAccessDeniedException", "key", 502), "KMSAccessDenied"),
    ],
)
def test_what_the_next_call_would_meet_too_stops_it_at_once(
    fake: FakeAws, lanes: Lanes, answer: object, told: str
) -> None:
    played = FakeLambda(fake)
    fake.say("lambda:Invoke", played.take, played.take, answer)  # type: ignore[arg-type]
    world = lanes(100)
    lane = world.run()
    assert told in lane.stopped
    assert len(played.received) == 2
    assert world.standing.count(Fate.PROVED) == 2
    left = set(world.standing.again) | set(range(world.standing.cursor + 1, 101))
    assert left >= set(range(4, 101))


def test_an_event_that_lambda_refuses_is_set_aside(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    invalid = refusal("InvalidRequestContentException", "Could not parse request body into json", 400)
    fake.say("lambda:Invoke", played.take, invalid, played.take)
    world = lanes(10)
    assert world.run().stopped == ""
    assert (len(played.received), world.standing.count(Fate.REFUSED)) == (9, 1)


@pytest.mark.parametrize("answer", [refusal("ServiceException", "internal", 500), garbage(), jsonish({}, 200)])
def test_what_nobody_answered_for_is_sent_once_more_and_may_arrive_twice(
    fake: FakeAws, lanes: Lanes, answer: object
) -> None:
    played = FakeLambda(fake)
    fake.say("lambda:Invoke", played.take, answer, played.take)  # type: ignore[arg-type]
    world = lanes(10)
    assert world.run().stopped == ""
    assert set(played.received) == keys(10)
    assert "unanswered" in [entry.kind for entry in world.bench.entries]


def test_an_endpoint_that_does_not_answer_stops_it(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    fake.say("lambda:Invoke", played.take, refusal("ServiceException", "internal", 500))
    world = lanes(100)
    assert "5 calls in a row had no answer" in world.run().stopped
    assert world.standing.maybe_sent == 5


def test_calls_without_an_upload_line_are_no_evidence(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake, quiet=True)
    world = lanes(10)
    assert world.run().stopped == ""
    assert world.standing.count(Fate.QUIET) == 10


def test_where_the_log_may_not_be_read_all_is_sent_and_nothing_is_proved(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    fake.say("logs:FilterLogEvents", DENIED)
    world = lanes(30)
    lane = world.run()
    assert (lane.stopped, len(played.received)) == ("", 30)
    assert world.standing.count(Fate.UNSEEN) == 30
    assert "denied" in lane.watch.blind


def test_a_failed_attempt_that_a_retry_makes_good_is_proved(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    world = lanes(1)
    world.lane.watch.retries = 2
    world.lane.watch.expect(1, "r")
    played._log("r", fails=True)
    assert world.lane.watch.look() == ()
    assert world.lane.watch.failing == {1: "cannot forward: no"}
    played._log("r", fails=False)
    (ended,) = world.lane.watch.look()
    assert (ended.fate, world.lane.watch.failing) == (Fate.PROVED, {})


def test_it_fails_for_good_when_every_attempt_has(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    world = lanes(1)
    world.lane.watch.retries = 2
    world.lane.watch.expect(1, "r")
    for ended in ((), (), (Fate.FAILED,)):
        played._log("r", fails=True)
        assert tuple(one.fate for one in world.lane.watch.look()) == ended


def test_a_stop_leaves_the_rest_for_another_time(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    world = lanes(100)

    def stopping(call: object) -> object:
        if len(played.received) == 5:
            world.bench.writer.stop.set()
        return played.take(call)  # type: ignore[arg-type]

    fake.say("lambda:Invoke", stopping)  # type: ignore[arg-type]
    world.run()
    taken = {line for line in range(1, 101) if world.standing.fate(line) is not Fate.OPEN}
    left = set(world.standing.again) | set(range(world.standing.cursor + 1, 101))
    assert len(taken) == len(played.received) < 100
    assert (taken | left, taken & left) == (set(range(1, 101)), set())
    assert world.standing.maybe_sent == 0
    hold_journal(world.bench)


def test_without_a_log_cloudwatch_stops_a_function_that_fails(fake: FakeAws, lanes: Lanes) -> None:
    played = FakeLambda(fake)
    fake.say("logs:FilterLogEvents", DENIED)
    world = lanes(500)
    counted = world.lane.metrics

    def look(*, now: bool = False) -> None:
        del now
        counted.failed = len(played.received)

    counted.look = look  # type: ignore[method-assign]
    lane = world.run()
    assert "CloudWatch counts" in lane.stopped
    assert len(played.received) < 100


def test_without_a_log_nothing_is_kept_in_memory(fake: FakeAws, lanes: Lanes) -> None:
    FakeLambda(fake)
    fake.say("logs:FilterLogEvents", DENIED)
    world = lanes(200)
    world.lane.pace.set_top(0.3)
    world.lane.function = Function("f", Concurrency(1, reserved=True), 1.0)
    world.lane.send(world.events())
    assert len(world.standing.waiting) <= 70
    world.lane.finish()
    assert (world.standing.count(Fate.UNSEEN), world.standing.reasons) == (200, {})


@pytest.mark.parametrize(("errors", "retries", "failed"), [(0, 2, 0), (3, 2, 1), (4, 2, 2), (5, 0, 5)])
def test_metrics_count_attempts_and_are_told_as_objects(
    moto_aws: Aws, tmp_path: Path, errors: int, retries: int, failed: int
) -> None:
    bench = a_bench(moto_aws, tmp_path, REGION)
    now = datetime.now(UTC)
    at = {"Dimensions": [{"Name": "FunctionName", "Value": "f"}], "Timestamp": now - timedelta(seconds=90)}
    sums = [{"MetricName": name, "Value": float(total), **at} for name, total in (("Errors", errors), ("Throttles", 2))]
    moto_aws.call(REGION, "cloudwatch", "PutMetricData", Namespace="AWS/Lambda", MetricData=sums)
    watch = MetricWatch(bench.writer, "f", now - timedelta(minutes=3), retries)
    watch.look()
    assert watch.failed == 0, "a minute has to pass between two looks"
    watch.look(now=True)
    assert (watch.failed, watch.throttled) == (failed, True)
    watch.look(now=True)
    assert not watch.throttled, "those were told already"
    bench.close()


def tags_of(call: AwsCall) -> Answer:
    """Every object but the seventh bears the tag."""
    tag = "" if "00007" in call.path else "<Tag><Key>TaegisProcessed</Key><Value>true</Value></Tag>"
    return xml(f"<Tagging><TagSet>{tag}</TagSet></Tagging>")


@pytest.mark.parametrize(("tagging", "proved"), [("true", 9), ("false", 0)])
def test_where_the_log_shows_no_upload_the_forwarders_tag_proves_it(
    fake: FakeAws, lanes: Lanes, tagging: str, proved: int
) -> None:
    FakeLambda(fake, quiet=True)
    fake.say("s3:GetObjectTagging", tags_of)
    world = lanes(10)
    world.run()
    forwarder = a_forwarder()
    stack = replace(forwarder.stack, parameters={**forwarder.stack.parameters, "EnableObjectTagging": tagging})
    function = value(forwarder.function)
    assert function is not None
    part = Part(
        world.bench.writer, replace(forwarder, stack=stack), function, world.lane.function, ADDRESS, 0, None, ()
    )
    Listed(part, world.manifest, Planned(SUBJECT, None, 10, 0, None)).look_again(world.lane.book)
    assert world.standing.count(Fate.PROVED) == proved
    assert world.standing.count(Fate.QUIET) == 10 - proved
    told = read_book(iter_journal(world.bench.path)).standings[SUBJECT]
    assert told.count(Fate.PROVED) == proved


def test_a_resumed_lane_begins_with_one_event_again_and_with_a_whole_budget(fake: FakeAws, lanes: Lanes) -> None:
    known = Standing(SUBJECT, 100)
    known.begun(1, list(range(1, 41)), 1)
    for line in range(1, 41):
        known.set(line, Fate.FAILED if line > 34 else Fate.PROVED, "no" if line > 34 else "")
    known.through(1)
    played = FakeLambda(fake, poison=frozenset({"AWSLogs/00050.json.gz"}))
    world = lanes(100, standing=known)
    assert world.run().stopped == ""
    assert set(played.received) == {f"AWSLogs/{line:05d}.json.gz" for line in range(41, 101) if line != 50}
    first = next(entry for entry in world.bench.entries if entry.kind == "intent")
    assert first.content["lines"] == [[41, 41]]
