"""CloudFormation stack states: which may be updated, and the way out of the others (domain section 4.4)."""

HEALTHY = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)

_DELETE_IS_FINAL = "do not delete it while its function is on go1.x: that function cannot be created again"
_WAYS_OUT = {
    "ROLLBACK_COMPLETE": f"the stack was never created whole; only deletion is left. {_DELETE_IS_FINAL}",
    "ROLLBACK_FAILED": f"only deletion is left. {_DELETE_IS_FINAL}",
    "CREATE_FAILED": "retry or roll back with the failure option it was created with; a rollback deletes the stack",
    "UPDATE_FAILED": "retry the update, or roll the stack back (RollbackStack), then run again",
    "UPDATE_ROLLBACK_FAILED": "continue the rollback (ContinueUpdateRollback, skipping only resources that are gone), "
    "then run again",
    "IMPORT_ROLLBACK_FAILED": "mend what the import left, with CloudFormation's support if need be, then run again",
    "DELETE_FAILED": "somebody tried to delete it; find out who and why, then delete again or restore",
    "REVIEW_IN_PROGRESS": "it is only a change set that was never executed: execute or delete it",
    "DELETE_IN_PROGRESS": "it is being deleted: find out by whom; a function on go1.x cannot be created again",
}


def way_out(status: str) -> str:
    """What a person can do about a stack in this state; empty for healthy ones."""
    if status in HEALTHY:
        return ""
    if status in _WAYS_OUT:
        return _WAYS_OUT[status]
    if status.endswith("_IN_PROGRESS"):
        return "wait until the operation has ended, then run again"
    return "this state is not known to the suite: look at the stack's events"
