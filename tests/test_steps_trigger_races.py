"""The notification merge against others who write at the same time, stale reads, and a run that is being stopped."""

import threading

from fixtures.sandbox.aws_call import Answer
from fixtures.sandbox.seed_estate import switch_rules
from remediation.engine import State
from tests.bucket_scene import CONFLICT, FORBIDDEN, GET, INVALID, PUT, Scene, after, ended
from tests.bucket_scene import scene as scene  # noqa: PLC0414  a fixture
from tests.bucket_scene import world as world  # noqa: PLC0414  a fixture
from tests.step_world import PASS, First

OLD = """\
<NotificationConfiguration>
  <CloudFunctionConfiguration>
    <Id>mark-reports/</Id><CloudFunction>%s</CloudFunction><Event>s3:ObjectCreated:*</Event>
    <Filter><S3Key><FilterRule><Name>Prefix</Name><Value>reports/</Value></FilterRule></S3Key></Filter>
  </CloudFunctionConfiguration>
  <EventBridgeConfiguration/>
</NotificationConfiguration>"""


def test_a_rule_that_somebody_adds_before_our_write_is_kept(scene: Scene) -> None:
    late = First(lambda: scene.put(scene.foreign(), scene.foreign("late/")))
    step = scene.step()
    with scene.world.proxy.faults({GET: [late]}):
        scene.world.done(step)
    assert scene.rules() == sorted([*scene.both, ("report-indexer", "late/")])


def test_while_s3_reports_a_conflict_the_others_write_is_not_undone_by_ours(scene: Scene) -> None:
    conflict = after(lambda: scene.put(scene.foreign(), scene.foreign("late/")), CONFLICT)
    with scene.world.proxy.faults({PUT: [conflict]}):
        scene.world.done(scene.step())
    assert scene.rules() == sorted([*scene.both, ("report-indexer", "late/")])


def test_while_the_permission_spreads_the_others_write_is_not_undone_by_ours(scene: Scene) -> None:
    not_yet = after(lambda: scene.put(scene.foreign("late/"), eventbridge=False), INVALID)
    with scene.world.proxy.faults({PUT: [not_yet]}):
        scene.world.done(scene.step())
    assert scene.rules() == sorted([(scene.function, "AWSLogs/"), ("report-indexer", "late/")])
    assert "EventBridgeConfiguration" not in scene.world.document(scene.bucket)


def test_somebody_who_writes_over_ours_is_merged_with_not_fought(scene: Scene) -> None:
    over = First(lambda: scene.put(scene.foreign(), scene.foreign("late/")))
    with scene.world.proxy.faults({GET: [PASS, over]}):
        scene.world.done(scene.step())
    assert scene.rules() == sorted([*scene.both, ("report-indexer", "late/")])
    assert scene.world.journalled()[PUT] == 2


def test_somebody_who_writes_beside_ours_is_told(scene: Scene) -> None:
    ours = scene.foreign("AWSLogs/", scene.arn)
    beside = First(lambda: scene.put(ours, scene.foreign("late/"), eventbridge=False))
    with scene.world.proxy.faults({GET: [PASS, beside]}):
        (told,) = scene.world.done(scene.step())
    assert "others changed the document meanwhile" in told
    assert "EventBridge is off" in told
    assert "reports/* to" in told
    assert scene.rules() == sorted([(scene.function, "AWSLogs/"), ("report-indexer", "late/")])


def test_somebody_who_always_writes_over_ours_is_a_failure_after_three_tries(scene: Scene) -> None:
    numbers = iter(range(100))
    over = First(lambda: scene.put(scene.foreign(), scene.foreign(f"late-{next(numbers)}/")))
    with scene.world.proxy.faults({GET: [PASS, *[over, PASS] * 3]}):
        told = ended(scene.world.apply(scene.step()), State.FAILED)
    assert "was written 3 times and does not keep our rules" in told
    assert scene.world.journalled()[PUT] == 3


def test_a_rule_of_somebody_that_now_conflicts_is_left_and_told(scene: Scene) -> None:
    conflict = after(lambda: scene.put(scene.foreign("AWSLogs/eu/")), CONFLICT)
    with scene.world.proxy.faults({PUT: [conflict]}):
        assert "overlaps with" in ended(scene.world.apply(scene.step()), State.FAILED)
    assert scene.rules() == [("report-indexer", "AWSLogs/eu/")]


def test_a_stale_read_after_the_write_is_not_taken_for_somebody_elses_write(scene: Scene) -> None:
    step = scene.step()
    switch_rules(scene.world.engine.endpoint, {"stale-read": {"on": True, "reads": 3}})
    try:
        scene.world.done(step)
    finally:
        switch_rules(scene.world.engine.endpoint, {"stale-read": False})
    assert scene.rules() == scene.both
    assert scene.world.journalled()[PUT] == 1


def test_a_read_that_is_older_still_does_not_bring_back_what_others_had_removed(scene: Scene) -> None:
    step = scene.step()  # planned while reports/ was there
    scene.put(scene.foreign("late/"))  # then somebody replaced it
    stale = Answer(200, ((b"content-type", b"application/xml"),), (OLD % scene.theirs).encode())
    with scene.world.proxy.faults({GET: [PASS, stale, stale]}):
        scene.world.done(step)
    assert scene.rules() == sorted([(scene.function, "AWSLogs/"), ("report-indexer", "late/")])
    assert scene.world.journalled()[PUT] == 1


def test_two_steps_for_one_bucket_do_not_meet(scene: Scene) -> None:
    """Lanes of one run share the bucket's lock: between read and write of one the other does neither."""
    bench = scene.world.bench()
    with bench.writer.locks.of(scene.bucket):
        lane = threading.Thread(target=lambda: scene.world.apply(scene.step(), bench=bench))
        step_put = scene.rules()
        lane.start()
        lane.join(0.3)
        assert lane.is_alive()
        assert not bench.writes()
    lane.join(20)
    assert scene.rules() != step_put
    assert scene.rules() == scene.both


def test_a_run_that_is_stopped_after_the_write_says_that_it_is_not_proved(scene: Scene) -> None:
    stop = threading.Event()
    bench = scene.world.bench(stop)

    stopping = after(stop.set, FORBIDDEN)
    with scene.world.proxy.faults({GET: [PASS, stopping]}):
        told = ended(scene.world.apply(scene.step(), bench=bench), State.FAILED)
    assert "not yet seen to be as it should" in told
    assert scene.rules() == scene.both


def test_a_run_that_is_stopped_while_s3_refuses_does_not_try_again(scene: Scene) -> None:
    stop = threading.Event()
    bench = scene.world.bench(stop)

    stopping = after(stop.set, INVALID)
    with scene.world.proxy.faults({PUT: [stopping]}):
        assert "was not written" in ended(scene.world.apply(scene.step(), bench=bench), State.FAILED)
    assert scene.world.journalled()[PUT] == 1
    assert scene.rules() == [("report-indexer", "reports/")]
