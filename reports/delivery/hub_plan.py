"""What has to become of the findings in Security Hub, given those of this run and those that are there. Pure.

Sources: Security Hub API Reference, BatchImportFindings (what an import cannot change once a finding is there: Workflow
and Note) and Workflow (it is reset from RESOLVED or NOTIFIED to NEW when a finding fails or is active again; never from
SUPPRESSED).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checks.outcome import Status
from fixtures.answers import Answer, items, optional_part, optional_text, part, text
from reports.exports.asff import AsffFinding
from reports.exports.finding import PRODUCT

MOST: Final = 100  # findings of one BatchImportFindings or BatchUpdateFindings (API reference)
_LARGEST = 5 * 1024 * 1024  # bytes of one import: AWS takes 6 MB
ACTIVE, ARCHIVED = "ACTIVE", "ARCHIVED"
NEW, RESOLVED, SUPPRESSED = "NEW", "RESOLVED", "SUPPRESSED"
_HOLDS = frozenset({Status.PASSED, Status.FIXED})
# Told there whether or not anything was known of it; what holds or is quiet only where it was open.
OPEN = frozenset({Status.FAILED, Status.BLOCKED, Status.WAIVED, Status.UNKNOWN, Status.ERROR})
# Of a finding as it was given back, what an import takes again.
_KEPT = (
    "SchemaVersion", "Id", "ProductArn", "ProductName", "CompanyName", "GeneratorId", "AwsAccountId", "CreatedAt",
    "FirstObservedAt", "LastObservedAt", "Title", "Description", "FindingProviderFields", "Compliance", "Resources",
    "ProductFields", "Remediation",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class There:
    """A finding of ours that is active in Security Hub."""

    id: str
    check: str
    status: str
    workflow: str
    content: Answer

    @property
    def is_set_aside(self) -> bool:
        """Whether it was suppressed for a waiver, and not by a person's own decision."""
        return self.workflow == SUPPRESSED and self.status == Status.WAIVED


@dataclass(frozen=True, slots=True)
class Decision:
    """A workflow status that an import cannot set, with the note that says why, for one finding.

    `fresh` says that the finding was not there before: Security Hub may not know it yet, and is told the next night.
    """

    id: str
    workflow: str
    note: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class HubPlan:
    """What to send for one account and region. `archived` of the `imports` take a finding out of view."""

    imports: tuple[AsffFinding, ...]
    archived: int
    decisions: tuple[Decision, ...]


def there(finding: Answer) -> There:
    """A finding as Security Hub gives it back.

    Raises:
        Malformed: it has no id, or fields of other types.
    """
    fields = optional_part(finding, "ProductFields")
    workflow = optional_part(finding, "Workflow")
    return There(
        id=text(finding, "Id"),
        check=text(finding, "GeneratorId").removeprefix(f"{PRODUCT}/"),
        status=optional_text(fields, f"{PRODUCT}/Status") or "",
        workflow=optional_text(workflow, "Status") or NEW,
        content=finding,
    )


def planned(
    found: Iterable[AsffFinding], known: Mapping[str, There], judged: Callable[[str], bool], now: str
) -> HubPlan:
    """What has to be sent.

    Args:
        found: the findings of this run in one account and region, whatever their status.
        known: those that are active there, by id.
        judged: whether a check was asked of everything here, so that what it does not tell any more is gone.
        now: when this run looked, as ASFF writes it.
    """
    imports: list[AsffFinding] = []
    decisions: list[Decision] = []
    archived = 0
    told: set[str] = set()
    for finding in found:
        name, status = text(finding, "Id"), status_of(finding)
        before = known.get(name)
        told.add(name)
        if status not in OPEN and before is None:
            continue
        holds = status in _HOLDS
        archived += holds
        imports.append({**finding, "RecordState": ARCHIVED} if holds else finding)
        decisions += _decisions(before, finding, status)
    gone = [one for name, one in known.items() if name not in told and judged(one.check)]
    for one in gone:
        kept = {field: one.content[field] for field in _KEPT if field in one.content}
        imports.append({**kept, "UpdatedAt": now, "RecordState": ARCHIVED})
        if one.is_set_aside:
            decisions.append(Decision(one.id, RESOLVED, "What it was about is not there any more."))
    return HubPlan(tuple(imports), archived + len(gone), tuple(decisions))


def _decisions(before: There | None, finding: AsffFinding, status: Status) -> Iterator[Decision]:
    """What an import leaves as it is: a waiver that came, or went, after the finding was there."""
    if status is Status.WAIVED and (before is None or before.workflow != SUPPRESSED):
        fields = part(finding, "ProductFields")
        who, ticket, until = (
            optional_text(fields, f"{PRODUCT}/{name}") or "" for name in ("WaivedBy", "WaivedUnder", "WaivedUntil")
        )
        note = f"Waived by {who} ({ticket}) until {until}."
        yield Decision(text(finding, "Id"), SUPPRESSED, note, fresh=before is None)
    elif status is not Status.WAIVED and before is not None and before.is_set_aside:
        holds = status in _HOLDS
        yield Decision(before.id, RESOLVED if holds else NEW, "It holds now." if holds else "Its waiver is gone.")


def status_of(finding: AsffFinding) -> Status:
    """What a finding of this run says of its check."""
    return Status(text(part(finding, "ProductFields"), f"{PRODUCT}/Status"))


def batches(findings: Sequence[AsffFinding], size: Callable[[AsffFinding], int]) -> Iterator[tuple[AsffFinding, ...]]:
    """The findings in as many imports as AWS's limits ask for, in their order; `size` counts bytes."""
    batch: list[AsffFinding] = []
    bytes_so_far = 0
    for finding in findings:
        more = size(finding)
        if batch and (len(batch) == MOST or bytes_so_far + more > _LARGEST):
            yield tuple(batch)
            batch, bytes_so_far = [], 0
        batch.append(finding)
        bytes_so_far += more
    if batch:
        yield tuple(batch)


def refused(answer: Answer) -> Iterator[tuple[str, str]]:
    """The findings that an import did not take: id and why."""
    for one in items(answer, "FailedFindings"):
        yield text(one, "Id"), _why(one)


def unprocessed(answer: Answer) -> Iterator[tuple[str, str]]:
    """The findings of which a decision was not taken: id and why."""
    for one in items(answer, "UnprocessedFindings"):
        yield text(part(one, "FindingIdentifier"), "Id"), _why(one)


def _why(one: Answer) -> str:
    code, message = optional_text(one, "ErrorCode") or "no code", optional_text(one, "ErrorMessage") or ""
    return f"{code}: {' '.join(message.split())}" if message else code
