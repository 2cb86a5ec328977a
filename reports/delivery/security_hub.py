"""Imports a run's findings into Security Hub, each in the account and region that it is about."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checks.looked import Looked
from fixtures.answers import Malformed, items, number, text
from fixtures.aws import Aws, CallFailed
from fixtures.estate import Target
from fixtures.fact import Unreadable
from fixtures.fan import Fan
from fixtures.version import suite_version
from reports.delivery.access import Access
from reports.delivery.hub_plan import (
    MOST,
    OPEN,
    Decision,
    HubPlan,
    There,
    batches,
    planned,
    refused,
    status_of,
    there,
    unprocessed,
)
from reports.delivery.outcome import Causes, Imported
from reports.exports.asff import AsffFinding, asff_findings, asff_time
from reports.exports.finding import PRODUCT
from reports.exports.place import Places
from reports.origin import origin_of
from reports.summary import Run

_SERVICE = "securityhub"
# What GetFindings, BatchImportFindings and BatchUpdateFindings say where nobody switched it on.
_NOT_ENABLED = "InvalidAccessException"


@dataclass(slots=True)
class _Tally:
    """What came of one account and region."""

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[tuple[str, str]] = field(default_factory=list)  # cause and place


def import_run(run: Run, looked: Looked, enter: Callable[[str], Access]) -> Imported:
    """Import what a run found; `enter` makes the access to AWS, given a region.

    Raises:
        InputError: there are no credentials.
    """
    if run.estate is None:
        return Imported()
    origin = origin_of(run, suite_version())
    findings = tuple(asff_findings(run.results, Places(run.estate), origin))
    done = import_findings(findings, looked, asff_time(origin.taken), enter)
    placed = sum(status_of(finding) in OPEN for finding in findings)
    return replace(done, placeless=sum(result.status in OPEN for result in run.results) - placed)


def import_findings(
    findings: Iterable[AsffFinding], looked: Looked, now: str, enter: Callable[[str], Access]
) -> Imported:
    """Import, archive what is no finding any more, and set aside what is waived; all targets at once.

    Args:
        findings: one for each result that is about an account and a region.
        looked: what this run looked at: only there something that is not told is gone.
        now: when it looked, as ASFF writes it.
        enter: makes the access to AWS, given a region.
    """
    by_target: dict[Target, list[AsffFinding]] = defaultdict(list)
    for finding in findings:
        by_target[_target(finding)].append(finding)
    targets = sorted({*by_target, *(looked.reached if looked.whole else ())})
    if not targets:
        return Imported()
    access = enter(targets[0].region)
    with Fan() as fan:
        pending = [
            (target, fan.ask(_one_target, target, by_target.get(target, ()), looked, now, access)) for target in targets
        ]
        tallies = [(target, answer.result()) for target, answer in pending]
    counts: Counter[str] = Counter()
    causes = Causes()
    for target, tally in tallies:
        counts.update(tally.counts)
        for cause, place in tally.troubles:
            causes.add(_general(cause, target), place)
    return Imported(
        imported=counts["imported"],
        targets=sum(tally.counts["imported"] > 0 for _, tally in tallies),
        archived=counts["archived"],
        suppressed=counts["suppressed"],
        reopened=counts["reopened"],
        troubles=causes.told(),
    )


def _one_target(target: Target, findings: Sequence[AsffFinding], looked: Looked, now: str, access: Access) -> _Tally:
    tally = _Tally()
    aws = access.enter_own(target.account)
    if isinstance(aws, Unreadable):
        tally.troubles.append((str(aws), str(target)))
        return tally
    try:
        known = _known(aws, target.region)
        plan = planned(findings, known, lambda check: _judged(check, target, looked), now)
        _import(aws, target, plan, tally)
        _decide(aws, target, plan.decisions, tally)
    except CallFailed as failure:
        tally.troubles.append((_told(failure), str(target)))
    except Malformed as problem:
        tally.troubles.append((f"a malformed answer: {problem}", str(target)))
    return tally


def _judged(check: str, target: Target, looked: Looked) -> bool:
    return looked.whole and check in looked.checks and target in looked.reached


def _known(aws: Aws, region: str) -> Mapping[str, There]:
    filters = {
        "ProductArn": [{"Value": _product(aws, region), "Comparison": "EQUALS"}],
        "GeneratorId": [{"Value": f"{PRODUCT}/", "Comparison": "PREFIX"}],
        "RecordState": [{"Value": "ACTIVE", "Comparison": "EQUALS"}],
    }
    pages = aws.pages(region, _SERVICE, "GetFindings", Filters=filters, MaxResults=MOST)
    found = [there(one) for page in pages for one in items(page, "Findings", required=True)]
    # an engine that knows no filters shows what is archived, and what others imported
    ours = (one for one in found if _is_ours(one, aws, region))
    return {one.id: one for one in ours}


def _is_ours(one: There, aws: Aws, region: str) -> bool:
    content = one.content
    return (
        content.get("ProductArn") == _product(aws, region)
        and str(content.get("GeneratorId")).startswith(f"{PRODUCT}/")
        and content.get("RecordState", "ACTIVE") == "ACTIVE"
    )


def _product(aws: Aws, region: str) -> str:
    """The product that findings of one's own are imported under (User Guide, "custom product integrations")."""
    return f"arn:{aws.clients.partition(region)}:{_SERVICE}:{region}:{aws.account}:product/{aws.account}/default"


def _import(aws: Aws, target: Target, plan: HubPlan, tally: _Tally) -> None:
    archives = {text(one, "Id") for one in plan.imports if one.get("RecordState") == "ARCHIVED"}
    for batch in batches(plan.imports, _size):
        answer = aws.call(target.region, _SERVICE, "BatchImportFindings", Findings=list(batch))
        failed = dict(refused(answer))
        missing = len(batch) - number(answer, "SuccessCount") - len(failed)
        if missing > 0:
            tally.troubles.append((f"{missing} findings neither taken nor refused", str(target)))
        tally.troubles += [(why, name.removeprefix(f"{PRODUCT}/")) for name, why in failed.items()]
        names = {text(one, "Id") for one in batch} - failed.keys()
        tally.counts["archived"] += len(names & archives)
        tally.counts["imported"] += len(names - archives)


def _decide(aws: Aws, target: Target, decisions: Iterable[Decision], tally: _Tally) -> None:
    alike: dict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        alike[decision.workflow, decision.note].append(decision)
    for (workflow, note), all_of_them in alike.items():
        for start in range(0, len(all_of_them), MOST):
            some = all_of_them[start : start + MOST]
            product = _product(aws, target.region)
            answer = aws.call(
                target.region, _SERVICE, "BatchUpdateFindings",
                FindingIdentifiers=[{"Id": decision.id, "ProductArn": product} for decision in some],
                Workflow={"Status": workflow}, Note={"Text": note[:512], "UpdatedBy": PRODUCT},
            )  # fmt: skip
            failed = dict(unprocessed(answer))
            fresh = {decision.id for decision in some if decision.fresh}
            tally.troubles += [
                (why, name.removeprefix(f"{PRODUCT}/")) for name, why in failed.items() if name not in fresh
            ]
            tally.counts["suppressed" if workflow == "SUPPRESSED" else "reopened"] += len(some) - len(failed)


def _target(finding: AsffFinding) -> Target:
    return Target(text(finding, "AwsAccountId"), text(finding, "ProductArn").split(":")[3])


def _size(finding: AsffFinding) -> int:
    return len(json.dumps(finding, ensure_ascii=False).encode())


def _told(failure: CallFailed) -> str:
    if failure.code == _NOT_ENABLED:
        return "Security Hub is not enabled: enable it there, or leave --security-hub out"
    return str(failure)


def _general(cause: str, target: Target) -> str:
    """The cause without the target's own names, so that one cause in many targets is one line."""
    return cause.replace(target.region, "<region>").replace(target.account, "<account>")
