"""The plan: the very steps that `--fix` executes, as data for people and as JSON."""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from fixtures.estate import Target
from remediation.plan_calls import call_lines
from remediation.plan_text import Refusal, advice_lines, plan_lines
from remediation.step import Step

VERSION = 1


@dataclass(frozen=True, slots=True)
class Blocked:
    """A forwarder (or a target or bucket, by `subject`) that is not touched.

    `fixes` are the fixes that were refused, so that the findings they would clear are told as BLOCKED.
    """

    target: Target
    subject: str
    fixes: frozenset[str]
    reasons: tuple[str, ...]
    to_do: tuple[str, ...]

    @property
    def name(self) -> str:
        """`account/region/subject`."""
        return f"{self.target}/{self.subject}" if self.subject else str(self.target)


@dataclass(frozen=True, slots=True)
class Advice:
    """What should be known of a forwarder before it is touched, and does not stop that."""

    target: Target
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The steps for one target, in order, and what is not touched there.

    `bucket` is the artifact bucket, in which the target's lock stands; empty without a release.
    """

    target: Target
    steps: tuple[Step, ...]
    blocked: tuple[Blocked, ...]
    bucket: str = ""
    advice: tuple[Advice, ...] = ()

    @property
    def forwarders(self) -> tuple[str, ...]:
        """The forwarders that a step of this plan touches, sorted."""
        return tuple(sorted({name for step in self.steps for name in step.forwarders}))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        run: the run's id.
        made: when, UTC.
        targets: the targets with something to do or to say, sorted.
    """

    run: str
    made: datetime
    targets: tuple[TargetPlan, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step."""
        return tuple(step for target in self.targets for step in target.steps)

    @property
    def blocked(self) -> tuple[Blocked, ...]:
        """Everything that is not touched."""
        return tuple(blocked for target in self.targets for blocked in target.blocked)

    @property
    def forwarders(self) -> tuple[tuple[Target, str], ...]:
        """Every forwarder that is touched."""
        return tuple((target.target, name) for target in self.targets for name in target.forwarders)

    @property
    def places(self) -> tuple[Target, ...]:
        """The targets in which something is done."""
        return tuple(target.target for target in self.targets if target.steps)

    @property
    def actions(self) -> tuple[str, ...]:
        """The IAM actions that the steps need, sorted."""
        return tuple(sorted({action for step in self.steps for action in type(step).ACTIONS}))

    @property
    def seconds(self) -> float:
        """About how long it takes on AWS: targets at once, each target's steps one after another, without proofs."""
        return max((sum(type(step).SECONDS for step in target.steps) for target in self.targets), default=0.0)

    def only(self, wanted: Callable[[Step], bool]) -> "Plan":
        """The plan with the wanted steps and nothing else."""
        targets = (replace(plan, steps=tuple(filter(wanted, plan.steps))) for plan in self.targets)
        return Plan(self.run, self.made, tuple(targets))

    def without(self, names: Collection[str]) -> "Plan":
        """The plan without the steps of these names."""
        return self.only(lambda step: step.name not in names)

    def json(self) -> str:
        """The plan for machines: every call with its parameters, secrets masked."""
        content = {
            "format": "taegis-forwarders plan",
            "version": VERSION,
            "run": self.run,
            "made": self.made.isoformat(timespec="seconds"),
            "actions": list(self.actions),
            "expected_seconds": self.seconds,
            "targets": [
                {
                    "account": plan.target.account,
                    "region": plan.target.region,
                    "steps": [_step(step, self.run) for step in plan.steps],
                    "blocked": [
                        {"subject": blocked.subject, "fixes": sorted(blocked.fixes), "reasons": list(blocked.reasons),
                         "to_do": list(blocked.to_do)}
                        for blocked in plan.blocked
                    ],
                    "advice": [{"subject": found.subject, "text": found.text} for found in plan.advice],
                }
                for plan in self.targets
            ],
        }  # fmt: skip
        return json.dumps(content, indent=2, sort_keys=True) + "\n"

    def lines(self, *, calls: bool, each: bool = False) -> Iterator[str]:
        """The plan for people, each shape of step once; with `calls`, with its API calls and what is to be known.

        With `each`, every step follows with every call and its parameters.
        """
        refusals = (Refusal(found.target, found.subject, found.reasons, found.to_do) for found in self.blocked)
        yield from plan_lines(self.steps, refusals, calls=calls)
        if calls:
            notes = (found for plan in self.targets for found in plan.advice)
            yield from advice_lines((found.target, found.subject, found.text) for found in notes)
        if each:
            yield from call_lines((plan.target, plan.steps) for plan in self.targets)
            yield ""
        kinds = Counter(type(step).FIX for step in self.steps)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
        yield f"{len(self.steps)} steps ({told}) on {len(self.forwarders)} forwarders; {len(self.blocked)} blocked"
        if calls and self.steps:
            yield f"needs {', '.join(self.actions)}"
            yield f"takes about {math.ceil(self.seconds / 60)} min on AWS without waiting for log lines (an estimate)"


PLAN = pytest.StashKey[Plan]()


def _step(step: Step, run: str) -> dict[str, object]:
    accepts = {"accepts": step.accepts} if step.accepts else {}
    return {
        "name": step.name,
        "fix": type(step).FIX,
        "title": step.title,
        "forwarders": list(step.forwarders),
        "calls": [call.shown() for call in step.calls()],
        "notes": list(step.notes()),
        "changes": list(step.changes()),
        "unknown": list(step.unknown()),
        "change_set": list(step.change_set()),
        "fingerprint": step.fingerprint(run),
        **accepts,
    }
