"""A stack that may only look like a forwarder's is never a reason to write, neither to it nor around it."""

from fixtures.estate import Estate, Forwarder
from fixtures.fact import NOT_READ, Absent
from tests.estates import a_bucket, a_forwarder, a_legacy_forwarder, an_artifact_bucket, an_estate, denied
from tests.planning import target_plan, told

UNSURE, SURE = "tdr-reports", "cloudtrail-prod"
WANTED = {"forwarder-stack": [UNSURE, SURE], "trigger": [UNSURE, SURE], "shared-stack": [""], "artifact": [""]}
HIDDEN = denied("cloudformation:ListStackResources")
NO_BUCKET = an_artifact_bucket(region=Absent("bucket"), package=Absent("package"))
WHY = "it may only look like a forwarder: its stack's resources could not be read"


def unsure(**changes: object) -> Forwarder:
    return a_legacy_forwarder(UNSURE, resources=HIDDEN, **changes)


def in_a_bare_target(*forwarders: Forwarder) -> Estate:
    """Forwarders where neither artifact bucket nor shared stack is there, nor any trigger."""
    buckets = [a_bucket(f"{forwarder.name}-logs") for forwarder in forwarders]
    return an_estate(*forwarders, buckets=buckets, artifact=NO_BUCKET, shared=())


def test_where_no_forwarder_is_known_to_be_one_nothing_is_made() -> None:
    plan = target_plan(in_a_bare_target(unsure()), {fix: names[:1] for fix, names in WANTED.items()},
                       allow=frozenset({"create-bucket"}))  # fmt: skip
    assert not plan.steps, told(plan)
    refused = {(blocked.subject, fix) for blocked in plan.blocked for fix in blocked.fixes if WHY in str(blocked)}
    assert refused >= {("", "artifact"), ("", "shared-stack"), (UNSURE, "forwarder-stack"), (UNSURE, "trigger")}


def test_beside_one_that_is_known_it_alone_is_left() -> None:
    estate = in_a_bare_target(unsure(), a_legacy_forwarder(SURE))
    plan = target_plan(estate, {**WANTED, "trigger": [UNSURE]}, allow=frozenset({"create-bucket"}))
    assert {name for step in plan.steps for name in step.forwarders} == {SURE}
    assert [type(step).__name__ for step in plan.steps][:2] == ["PutArtifacts", "CreateSharedStack"]
    assert {blocked.subject for blocked in plan.blocked} == {UNSURE}


def test_its_trigger_alone_is_not_mended_either() -> None:
    """By the function's name it could be: that another stack's function is called so is the case in point."""
    estate = an_estate(a_forwarder(UNSURE, resources=HIDDEN), buckets=[a_bucket(f"{UNSURE}-logs")])
    plan = target_plan(estate, {"trigger": [UNSURE]})
    assert not plan.steps
    assert WHY in told(plan)[0]


def test_a_snapshot_of_an_audit_which_did_not_ask_still_shows_a_plan() -> None:
    estate = an_estate(a_forwarder(SURE, resources=NOT_READ), buckets=[a_bucket(f"{SURE}-logs")])
    assert target_plan(estate, {"trigger": [SURE]}).steps
