"""Plans which rules are taken out of a notification document: each with consent, and none without need. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from checks.test_bucket import stale_rules
from checks.wiring import (
    deliveries,
    describe,
    direct_rules,
    duplicates,
    function_arn,
    names_latest,
    was_of,
)
from fixtures.estate import Bucket, Notification, Rule
from remediation.context import Context
from remediation.plan import Blocked
from remediation.preflight import Obstacle, blocked_by


@dataclass(frozen=True)
class Removal:
    """What may be taken out of one bucket's document; `refused` forwarders are not touched at all."""

    context: Context
    bucket: Bucket
    notification: Notification
    refused: frozenset[str]

    @cached_property
    def gone(self) -> tuple[Rule, ...]:
        """The rules of functions that are gone."""
        return stale_rules(self.notification.rules, self.context.estate)[0]

    @cached_property
    def against(self) -> tuple[Obstacle, ...]:
        """What stands against any write to the document: S3 takes none while a rule names a function that is gone."""
        found = []
        if self.bucket.owner != self.context.target.account:
            found.append(
                Obstacle(
                    f"bucket {self.bucket.name} belongs to account {self.bucket.owner}, which alone may change its "
                    "notifications",
                    "add the rule there by hand",
                )
            )
        if self.gone and "remove-stale-rules" not in self.context.intent.allow:
            told = "; ".join(map(describe, self.gone))
            found.append(
                Obstacle(
                    f"S3 refuses any change while a rule names a function that is gone: {told}",
                    "ask the rule's owner, or allow it with --allow=remove-stale-rules",
                )
            )
        waived = self.context.wants.against("stale-rules", self.bucket.name) if self.gone else []
        return (*found, *waived)

    def surplus(self) -> tuple[tuple[Rule, ...], list[Blocked]]:
        """Rules by which objects arrive twice; or what a person must decide."""
        if self.bucket.name not in self.context.wants.of("duplicates"):
            return (), []
        surplus, problems = _surplus(self.notification, self.context, self.refused)
        problems += [*self.context.wants.against("duplicates", self.bucket.name), *self.against]
        return ((), [self._refusal("duplicates", problems)]) if problems else (surplus, [])

    def stale(self, *, needed: bool) -> tuple[tuple[Rule, ...], list[Blocked]]:
        """The rules of functions that are gone, where that is asked for or, if `needed`, another write waits for it.

        Where none does, a rule stays that alone says which objects a forwarder had that is not wired now: it goes
        together with the new one, which takes its prefix and suffix over.
        """
        if needed and not self.against:
            return self.gone, []
        if self.bucket.name not in self.context.wants.of("stale-rules"):
            return (), []
        problems = [*(self.against or self._last_traces())]
        return ((), [self._refusal("stale-rules", problems)]) if problems else (self.gone, [])

    def _last_traces(self) -> Iterator[Obstacle]:
        for forwarder in self.context.estate.of_bucket(self.bucket.name):
            former = [rule for rule in self.gone if was_of(rule, forwarder)]
            arn = function_arn(forwarder)
            if former and not forwarder.topic_arn and not (arn and is_called(self.notification, arn)):
                yield Obstacle(
                    f"only {'; '.join(map(describe, former))} says which objects {forwarder.name} is for, and its "
                    "trigger is not mended in this run",
                    f"mend what keeps the trigger of {forwarder.name} from being mended, then run again",
                )

    def _refusal(self, fix: str, problems: list[Obstacle]) -> Blocked:
        return blocked_by(self.context.target, self.bucket.name, {fix}, problems)


def is_called(notification: Notification, arn: str) -> bool:
    """Whether a rule calls the function itself for new objects: no version and no alias of it."""
    return any(names_latest(rule.arn, arn) for rule in direct_rules(notification, arn))


def _surplus(
    notification: Notification, context: Context, refused: frozenset[str]
) -> tuple[tuple[Rule, ...], list[Obstacle]]:
    """Direct rules beside the topic that a forwarder is meant to be called through, and what stands against that."""
    surplus: list[Rule] = []
    unclear: list[str] = []
    held: list[str] = []
    estate = context.estate
    for one, other in duplicates(deliveries(notification, estate.forwarders, estate)):
        same = one.forwarder == other.forwarder
        direct = [way.rule for way in (one, other) if way.rule.kind == "function"]
        if same and len(direct) == 1 and one.forwarder.topic_arn in {one.rule.arn, other.rule.arn}:
            surplus += direct
            if one.forwarder.name in refused and one.forwarder.target == context.target:
                held.append(one.forwarder.name)
        else:
            unclear.append(
                f"{one.forwarder.name} and {other.forwarder.name} both get what matches {describe(one.rule)}"
            )
    problems = []
    if unclear:
        problems.append(Obstacle("; ".join(unclear), "decide which of the two should get these objects"))
    elif "merge-duplicates" not in context.intent.allow:
        told = "; ".join(describe(rule) for rule in dict.fromkeys(surplus))
        problems.append(
            Obstacle(
                f"objects reach a forwarder twice, by its topic and by {told}", "allow it with --allow=merge-duplicates"
            )
        )
    if held:
        problems.append(
            Obstacle(f"{', '.join(sorted(set(held)))} is not touched in this run", "mend what blocks it first")
        )
    return tuple(dict.fromkeys(surplus)), problems
