"""How pytest's terminal counts, marks and words our statuses; `report.outcome` stays pytest's own."""

from collections.abc import Mapping

from checks.outcome import Status

# pytest colours its last line red for `failed` and `error` and yellow for categories that it does not know.
# ERROR is pytest's `error`, so that a crashed check shows its traceback like any other crash.
WORDS: Mapping[Status, tuple[str, str, tuple[str, Mapping[str, bool]]]] = {
    Status.PASSED: ("passed", ".", ("PASSED", {"green": True})),
    Status.FAILED: ("failed", "F", ("FAILED", {"red": True})),
    Status.FIXED: ("fixed", "X", ("FIXED", {"green": True, "bold": True})),
    Status.BLOCKED: ("blocked", "B", ("BLOCKED", {"red": True, "bold": True})),
    Status.WAIVED: ("waived", "w", ("WAIVED", {"cyan": True})),
    Status.UNKNOWN: ("unknown", "?", ("UNKNOWN", {"yellow": True})),
    Status.NO_EVIDENCE: ("no evidence", "-", ("NO EVIDENCE", {"yellow": True})),
    Status.ERROR: ("error", "E", ("ERROR", {"red": True})),
}
