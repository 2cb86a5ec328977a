"""Asks a check about hand-made facts, without a pytest run, and tells the answer as one line."""

import inspect
from collections.abc import Callable, Mapping

from checks.outcome import CannotTell, Finding, NoEvidence
from checks.registry import metadata_of
from fixtures.desired import Desired
from fixtures.estate import Estate, Target
from tests.estates import HERE, a_desired

NOT_ASKED = "NOT ASKED"
PASSED = "PASSED"


def told(
    check: Callable[..., None],
    estate: Estate,
    *,
    of: str | Target = "",
    desired: Desired | None = None,
    expected: tuple[Target, str] = (HERE, "cloudtrail-prod"),
    remedies: bool = False,
) -> str:
    """`PASSED`, `PASSED (advice)`, `FAILED: expected ...; found ...`, `UNKNOWN: reason`, `NO EVIDENCE: reason`.

    The check is asked about the forwarder or bucket named `of`, or the target `of`; by default about the first there
    is. `remedies` adds what a person can do about a finding. `NOT ASKED` where the suite would not ask it. A bug in the
    check is raised.
    """
    meta = metadata_of(check)
    wanted = desired or a_desired()
    forwarders = {forwarder.name: forwarder for forwarder in estate.forwarders}
    forwarder = forwarders[of] if isinstance(of, str) and of in forwarders else next(iter(estate.forwarders), None)
    target = estate.seen(of) if isinstance(of, Target) else next(iter(estate.targets), None)
    bucket = estate.buckets.get(of) if isinstance(of, str) and of else next(iter(estate.buckets.values()), None)
    notes: list[str] = []
    given: Mapping[str, object] = {
        "advise": notes.append,
        "bucket": bucket,
        "desired": wanted,
        "estate": estate,
        "expected_forwarder": expected,
        "forwarder": forwarder,
        "release": wanted.release,
        "target": target,
    }
    arguments = {name: given[name] for name in inspect.signature(check).parameters}
    idle = [
        any(argument is None for argument in arguments.values()),
        meta.applies and forwarder and not meta.applies(forwarder, estate),
        meta.target_applies and target and not meta.target_applies(target, wanted),
    ]
    if any(idle):
        return NOT_ASKED
    try:
        check(**arguments)
    except Finding as finding:
        return f"FAILED: {finding}; to do: {finding.remedy}" if remedies else f"FAILED: {finding}"
    except NoEvidence as answer:
        return f"NO EVIDENCE: {answer.msg}"
    except CannotTell as answer:
        return f"UNKNOWN: {answer.msg}"
    return f"{PASSED} ({'; '.join(notes)})" if notes else PASSED
