"""One run per target: two laptops meet at one object, whatever happens to answers, clocks and owners."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError  # noqa: TID251  what plain boto3 raises

from remediation.lock import KEY, LIFE, TargetLocks
from remediation.step import StepBlocked
from tests.fake_aws import refusal
from tests.step_world import Lost, World, world  # noqa: F401  the fixture

BUCKET = "artifacts-of-the-test"


@pytest.fixture
def place(world: World) -> World:  # noqa: F811  the fixture
    world.place.make_bucket(BUCKET + world.account)
    return world


def bucket(world: World) -> str:  # noqa: F811  the fixture
    return BUCKET + world.account


def take(world: World, locks: TargetLocks) -> None:  # noqa: F811  the fixture
    locks.take(world.bench().writer, world.target, bucket(world))


def held(world: World) -> dict[str, str] | None:  # noqa: F811  the fixture
    content = world.content(bucket(world), KEY)
    return json.loads(content) if content else None


def put_by_another(world: World, expires: datetime) -> None:  # noqa: F811  the fixture
    text = json.dumps({"run": "theirs", "owner": "eve@laptop", "expires": expires.isoformat()})
    world.place.call("s3", "put_object", Bucket=bucket(world), Key=KEY, Body=text.encode())


def test_the_second_run_is_told_who_holds_it_until_when_and_what_to_do(place: World) -> None:
    take(place, TargetLocks("first"))
    with pytest.raises(StepBlocked) as caught:
        take(place, TargetLocks("second"))
    assert "another run works on" in str(caught.value)
    assert "run first of " in str(caught.value)
    assert "resume it, or delete s3://" in caught.value.to_do
    lock = held(place)
    assert lock
    assert lock["run"] == "first"


def test_of_many_runs_that_start_at_once_one_gets_it(place: World) -> None:
    ends: list[str] = []
    start = threading.Barrier(6)
    benches = [place.bench() for _ in range(6)]

    def run(number: int) -> None:
        start.wait()
        try:
            TargetLocks(f"run-{number}").take(benches[number].writer, place.target, bucket(place))
        except StepBlocked:
            ends.append("refused")
        else:
            ends.append(f"run-{number}")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(ends) - {"refused"}
    assert ends.count("refused") == 5
    lock = held(place)
    assert lock
    assert lock["run"] == winner


def test_one_that_has_expired_is_taken_over(place: World) -> None:
    put_by_another(place, datetime.now(UTC) - timedelta(seconds=1))
    take(place, TargetLocks("mine"))
    lock = held(place)
    assert lock
    assert lock["run"] == "mine"
    until = datetime.fromisoformat(lock["expires"]) - datetime.now(UTC)
    assert LIFE - timedelta(minutes=1) < until <= LIFE


def test_a_resumed_run_takes_its_own_at_once(place: World) -> None:
    take(place, TargetLocks("killed"))
    take(place, TargetLocks("rollback-of-killed", also=["killed"]))
    lock = held(place)
    assert lock
    assert lock["run"] == "rollback-of-killed"


def test_an_answer_that_was_lost_is_no_other_run(place: World) -> None:
    """botocore asks again, and the second request meets the object that the first one wrote."""
    locks = TargetLocks("mine")
    with place.proxy.faults({"s3:PutObject": [Lost(refusal("InternalError", status=500))]}):
        take(place, locks)
    lock = held(place)
    assert lock
    assert lock["run"] == "mine"


def test_it_is_given_back_at_the_end_and_only_if_it_is_still_ours(place: World) -> None:
    locks = TargetLocks("mine")
    take(place, locks)
    assert locks.release([(place.target, place.bench().writer)]) == ()
    assert held(place) is None

    take(place, locks)
    put_by_another(place, datetime.now(UTC) + LIFE)
    assert locks.release([(place.target, place.bench().writer)]) == ()
    lock = held(place)
    assert lock
    assert lock["run"] == "theirs"


def test_one_that_cannot_be_given_back_is_said_with_its_end(place: World) -> None:
    locks = TargetLocks("mine")
    take(place, locks)
    with place.proxy.faults({"s3:DeleteObject": [refusal("AccessDenied", status=403)]}):
        (problem,) = locks.release([(place.target, place.bench().writer)])
    assert str(place.target) in problem
    assert "ends by itself" in problem


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b'{"run": "x"}', b'{"run": "x", "expires": "soon"}'])
def test_an_object_that_is_no_lock_of_ours_is_never_written_over(place: World, content: bytes) -> None:
    place.place.call("s3", "put_object", Bucket=bucket(place), Key=KEY, Body=content)
    with pytest.raises(StepBlocked) as caught:
        take(place, TargetLocks("mine"))
    assert "cannot be read" in str(caught.value)
    assert place.content(bucket(place), KEY) == content


def test_a_bucket_that_may_not_be_written_is_no_lock(place: World) -> None:
    with (
        place.proxy.faults({"s3:PutObject": [refusal("AccessDenied", status=403)]}),
        pytest.raises(StepBlocked, match="cannot be written"),
    ):
        take(place, TargetLocks("mine"))
    with pytest.raises(ClientError):
        place.place.call("s3", "head_object", Bucket=bucket(place), Key=KEY)
