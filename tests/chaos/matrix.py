"""Every case, made from the writes of an undisturbed run, and the table of how each went."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.chaos.case import Case, Undisturbed, Verdict
from tests.chaos.evidence import intents_of
from tests.chaos.faults import Fault
from tests.chaos.rollback import WholeArena

AT_EVERY_WRITE = (
    Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.KILL_JOURNALLED, Fault.DENIED, Fault.THROTTLED, Fault.THROTTLED_ALWAYS,
    Fault.CONFLICT, Fault.SERVER_ERROR, Fault.MALFORMED, Fault.TIMEOUT,
)  # fmt: skip
_EXECUTE = ("forwarder-stack", "ExecuteChangeSet")
_PUT = ("trigger", "PutBucketNotificationConfiguration")
SPECIAL = (
    *(Case(((fault, *_EXECUTE, 1),)) for fault in (Fault.LIES, Fault.ROLLS_BACK, Fault.ROLLBACK_FAILS)),
    Case(((Fault.GATE, "forwarder-stack", "CreateChangeSet", 1),)),
    *(Case(((Fault.GATE, "forwarder-stack", "CreateChangeSet", 1), (fault, "forwarder-stack", "DeleteChangeSet", 1)))
      for fault in AT_EVERY_WRITE),
    Case(((Fault.OTHERS_BEFORE_READ, "lock", "PutObject", 1),)),
    # the second document is one that others may write too: the first has a rule with which S3 takes none
    Case(((Fault.OTHERS_IN_GAP, *_PUT, 2),)),
    Case(((Fault.OTHERS_AFTER, *_PUT, 2),)),
    *(Case(((fault, *write, 1),)) for write in (_EXECUTE, _PUT, ("shared-stack", "CreateStack"))
      for fault in (Fault.EXPIRED_REFRESHED, Fault.EXPIRED_UNSEEN, Fault.EXPIRED_FOR_GOOD)),
    *(Case(((fault, *write, 1),)) for write in (_EXECUTE, _PUT, ("artifact", "PutObject"))
      for fault in (Fault.SIGINT, Fault.SIGINT_TWICE, Fault.SIGTERM)),
)  # fmt: skip
_UNDO = ("undo-stack", "ExecuteChangeSet")
SPECIAL_UNDOING = tuple(
    Case(((fault, *_UNDO, 1),), undoes=True)
    for fault in (Fault.EXPIRED_REFRESHED, Fault.EXPIRED_FOR_GOOD, Fault.SIGINT, Fault.SIGINT_TWICE, Fault.SIGTERM)
)


def writes_of(undisturbed: Undisturbed) -> tuple[tuple[str, str], ...]:
    """Every distinct (kind of step, operation), in the order in which they first came."""
    return tuple(dict.fromkeys((kind, operation) for kind, operation, _ in intents_of(undisturbed.journal)))


def all_cases(undisturbed: Undisturbed, undone: Undisturbed) -> tuple[Case, ...]:
    """Each fault at the first write of each kind, then those that belong to one write: of a fix, and of a rollback."""
    fixing, undoing = (
        [Case(((fault, *write, 1),), undoes=run is undone) for write in writes_of(run) for fault in AT_EVERY_WRITE]
        for run in (undisturbed, undone)
    )
    return (*fixing, *SPECIAL, *undoing, *SPECIAL_UNDOING)


def run_all(
    directory: Path, chosen: Callable[[Case], bool], *, workers: int, told: Callable[[Verdict], None]
) -> tuple[Undisturbed, tuple[Verdict, ...]]:
    """Run cases on some engines at once; each engine runs one case at a time."""
    with ThreadPoolExecutor(workers) as pool:
        arenas = list(pool.map(lambda number: WholeArena(directory / f"arena-{number}"), range(workers)))
        try:
            undisturbed, undone = arenas[0].undisturbed, arenas[0].undone
            free: SimpleQueue[WholeArena] = SimpleQueue()
            for arena in arenas:
                free.put(arena)

            def judged(case: Case) -> Verdict:
                arena = free.get()
                try:
                    verdict = arena.judge(case)
                finally:
                    free.put(arena)
                told(verdict)
                return verdict

            return undisturbed, tuple(pool.map(judged, filter(chosen, all_cases(undisturbed, undone))))
        finally:
            for arena in arenas:
                arena.stop()


def table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """A Markdown table: case, fired, exit code, that of the resume, survived, seconds."""
    yield "| write | fault | fired | exit | after `--resume` | survived | seconds |"
    yield "| --- | --- | ---: | ---: | ---: | --- | ---: |"
    for verdict in verdicts:
        write, _, fault = verdict.case.name.rpartition(": ")
        resumed = "" if verdict.resumed is None else str(verdict.resumed)
        yield (f"| {write} | {fault} | {verdict.fired} | {verdict.code} | {resumed} | "
               f"{'yes' if verdict.survived else 'NO'} | {verdict.seconds:.0f} |")  # fmt: skip
