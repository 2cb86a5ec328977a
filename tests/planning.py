"""What tests of the planner start from: an intent, findings, and the plan that follows from hand-made facts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from checks.outcome import Severity, Status
from checks.result import Result
from fixtures.desired import Desires
from fixtures.estate import Estate, Target
from fixtures.release import LAMBDA_TEMPLATE, SHARED_TEMPLATE, Release, read_release
from fixtures.sandbox.synthetic_release import write_release
from remediation.context import Context, Intent, Wants
from remediation.plan import Plan, TargetPlan
from remediation.planner import make_plan
from tests.estates import HERE, NOW, some_desires

RUN = "20261124T041530Z-9f3c"


def an_intent(**changes: object) -> Intent:
    """Fix what was found, with no consent; in the partition `aws`."""
    intent = Intent(
        run=RUN,
        allow=frozenset(),
        rotate=False,
        test_event=False,
        payload=None,
        limit=100,
        approved_shapes=frozenset(),
        showing=False,
        url_suffix=lambda _: "amazonaws.com",
        partition=lambda _: "aws",
        today=NOW.date(),
    )
    return replace(intent, **changes)  # type: ignore[arg-type]


def findings(wanted: Mapping[str, Iterable[str]], target: Target = HERE) -> list[Result]:
    """Findings by fix: `{"trigger": ["cloudtrail-prod"]}`; the name is empty for the target itself."""
    return [
        Result(
            check=f"a-check-for-{fix}",
            title="Something holds.",
            severity=Severity.HIGH,
            step="3",
            status=Status.FAILED,
            subject=f"{target}/{name}" if name else str(target),
            account=target.account,
            region=target.region,
            fix=fix,
        )
        for fix, names in wanted.items()
        for name in names
    ]


def plan_of(
    estate: Estate,
    wanted: Mapping[str, Iterable[str]],
    desires: Desires | None = None,
    at: Target = HERE,
    **intent: object,
) -> Plan:
    """The plan for findings in one target."""
    return make_plan(findings(wanted, at), estate, desires or some_desires(), an_intent(**intent), NOW)


def target_plan(
    estate: Estate,
    wanted: Mapping[str, Iterable[str]],
    desires: Desires | None = None,
    at: Target = HERE,
    **intent: object,
) -> TargetPlan:
    """The same, of which the one target's part."""
    (found,) = plan_of(estate, wanted, desires, at, **intent).targets
    return found


def told(plan: TargetPlan) -> list[str]:
    """What the plan does and refuses, a line each: `do CLASS subject (forwarders)`, `refuse subject FIXES: reasons`."""
    return [
        *(f"do {type(step).__name__} {step.subject} ({', '.join(step.forwarders)})" for step in plan.steps),
        *(f"refuse {b.subject or 'all'} {'+'.join(sorted(b.fixes))}: {'; '.join(b.reasons)}" for b in plan.blocked),
    ]


def a_context(estate: Estate, wanted: Mapping[str, set[str]] | None = None, **intent: object) -> Context:
    """The context of the one target."""
    return Context(estate.seen(HERE), Wants(dict(wanted or {})), estate, some_desires().of(HERE.account),
                   an_intent(**intent))  # fmt: skip


def a_release_with(folder: Path, lambda_template: str | None = None, shared_template: str | None = None) -> Release:
    """The synthetic release with other templates."""
    directory = write_release(folder / "release")
    for name, body in ((LAMBDA_TEMPLATE, lambda_template), (SHARED_TEMPLATE, shared_template)):
        if body is not None:
            (directory / name).write_text(body, encoding="utf-8")
    return read_release(directory)


def padded(template: str, size: int = 60_000) -> str:
    """The template with comments, longer than what CloudFormation takes inline."""
    return template + "\n" + "# SYNTHETIC padding ................................................\n" * (size // 66)
