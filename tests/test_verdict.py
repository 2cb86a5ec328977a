from dataclasses import replace

import pytest

from checks.outcome import Status
from checks.verdict import Ending, verdict

LOOKED = Ending(pytest_code=0, statuses={Status.PASSED: 9}, targets=2, forwarders=3)
FAILED = replace(LOOKED, pytest_code=1, statuses={Status.PASSED: 8, Status.FAILED: 1}, afflicted=1)
ALL_KINDS = frozenset({"finding", "unknown", "no-evidence"})

CASES = {
    "all holds": (LOOKED, 0, "All holds for 3 forwarders in 2 targets."),
    "fixed counts as holding": (
        replace(LOOKED, statuses={Status.FIXED: 2}),
        0,
        "All holds for 3 forwarders in 2 targets; 2 findings fixed and proved.",
    ),
    "one finding": (FAILED, 1, "1 finding remains on 1 forwarder."),
    "blocked is a finding and says who must act": (
        replace(LOOKED, statuses={Status.FAILED: 2, Status.BLOCKED: 1, Status.FIXED: 4}, afflicted=2),
        1,
        "3 findings remain on 2 forwarders (1 blocked: a person must act; 4 fixed and proved).",
    ),
    "plan that would change something": (replace(LOOKED, planned=3), 1,
                                         "Nothing is wrong, and --fix would still take 3 steps."),
    "plan with findings": (replace(FAILED, planned=3), 1,
                           "1 finding remains on 1 forwarder (--fix would take 3 steps)."),
    "plan with nothing to do": (replace(LOOKED, planned=0), 0, "All holds for 3 forwarders in 2 targets."),
    "unknown": (replace(LOOKED, statuses={Status.UNKNOWN: 2}), 10,
                "Nothing was found wrong, but 2 checks could not tell."),
    "not reached": (replace(LOOKED, unreached=1), 10, "Nothing was found wrong, but 1 of 2 targets was not reached."),
    "not reached and unknown": (
        replace(LOOKED, unreached=2, statuses={Status.UNKNOWN: 1}),
        10,
        "Nothing was found wrong, but 2 of 2 targets were not reached and 1 check could not tell.",
    ),
    "a finding outranks what was not seen": (replace(FAILED, unreached=1), 1, "1 finding remains on 1 forwarder."),
    "unknown tolerated": (
        replace(LOOKED, statuses={Status.UNKNOWN: 2}, fail_on=frozenset({"finding"})),
        0,
        "All holds for 3 forwarders in 2 targets; 2 checks could not tell.",
    ),
    "no evidence is tolerated by default": (
        replace(LOOKED, statuses={Status.NO_EVIDENCE: 1}),
        0,
        "All holds for 3 forwarders in 2 targets; 1 check found no evidence either way.",
    ),
    "no evidence on request": (
        replace(LOOKED, statuses={Status.NO_EVIDENCE: 1}, fail_on=ALL_KINDS),
        10,
        "Nothing was found wrong, but 1 check found no evidence.",
    ),
    "finding tolerated": (
        replace(FAILED, fail_on=frozenset({"unknown"})),
        0,
        "1 finding stands, and --fail-on does not count it.",
    ),
    "no forwarder at all is never green": (
        replace(LOOKED, forwarders=0, fail_on=frozenset()),
        10,
        "No forwarder was found in 2 targets: that proves nothing.",
    ),
    "what was asked for is not done": (
        replace(LOOKED, undone=1),
        1,
        "Nothing is wrong, but what was asked for is not done on 1 target.",
    ),
    "what was asked for cannot be planned": (replace(LOOKED, undone=2, planned=1), 1, "Nothing is wrong, but what was"),
    "fix failed outranks findings": (
        replace(FAILED, unproved=2),
        11,
        "The fix of 2 subjects failed or was stopped after something was written.",
    ),
    "a rollback that is not whole has words of its own": (
        replace(FAILED, unproved=1, undoing=True),
        11,
        "The rollback of 1 subject failed, was stopped after something was written, or waits for a person.",
    ),
    "interrupted outranks a failed fix": (
        replace(FAILED, pytest_code=2, unproved=1),
        2,
        "Interrupted before everything was judged.",
    ),
    "a crashed check is an error of the suite": (
        replace(FAILED, statuses={Status.ERROR: 1, Status.FAILED: 3}),
        3,
        "1 check crashed: that is an error of the suite, not a verdict.",
    ),
    "a crash outranks an interrupt": (replace(LOOKED, pytest_code=2, statuses={Status.ERROR: 1}), 3, "1 check crashed"),
    "pytest's internal error": (replace(LOOKED, pytest_code=3), 3, "The run broke down"),
    "usage outranks all": (replace(FAILED, pytest_code=4, unproved=1), 4, "Nothing was judged"),
    "nothing selected": (replace(LOOKED, pytest_code=5, statuses={}), 5, "Nothing was judged: no check was selected."),
    "no result is not green": (replace(LOOKED, statuses={}), 5, "Nothing was judged: no check was selected."),
    "a test that is no check failed": (
        replace(LOOKED, pytest_code=1, others=1, other_failures=1),
        1,
        "1 test that no check stands behind failed.",
    ),
    "tests that are no checks passed": (replace(LOOKED, statuses={}, others=4), 0, "All holds"),
    "a plugin's own exit code is kept": (replace(LOOKED, pytest_code=70), 70, "The run was ended with exit code 70."),
}  # fmt: skip


@pytest.mark.parametrize(("ending", "code", "sentence"), CASES.values(), ids=CASES)
def test_the_first_exit_code_that_applies_is_said_in_words(ending: Ending, code: int, sentence: str) -> None:
    found = verdict(ending)

    assert found.code == code
    assert found.sentence.startswith(sentence)
