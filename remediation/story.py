"""What `--plan` or `--fix` came to, in numbers and sentences, for the reports.

It stands alone so that the engine can tell its story without knowing who reads it.
"""

from dataclasses import dataclass

import pytest

from remediation.cutover_ledger import CutoverLedger


@dataclass(frozen=True, slots=True)
class FixStory:
    """The outcome of planning and applying.

    Attributes:
        planned: steps that the plan holds; under `--plan`, what `--fix` would change.
        fixed: findings that were proved to be gone.
        blocked: forwarders and targets that `--fix` refused before its first write to them.
        failed: subjects whose fix failed, was not proved, or was stopped after a write.
        undone: what was asked for beside the findings and was not done, or could not be planned, one sentence each.
        notes: what a reader should know besides (consents used, where plan and journal lie), one sentence each.
        ledger: what arrived at each changed forwarder meanwhile, and since it was last seen to deliver.
    """

    planned: int = 0
    fixed: int = 0
    blocked: int = 0
    failed: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ledger: tuple[CutoverLedger, ...] = ()


FIX_STORY = pytest.StashKey[FixStory]()
# The plan as the terminal shows it, one entry per line.
PLAN_LINES = pytest.StashKey[tuple[str, ...]]()
