"""The whole matrix: `python -m tests.chaos [--workers=N] [--only=TEXT] [--keep=DIR]` prints the table; 1: failed."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.case import Verdict
from tests.chaos.matrix import run_all, table, writes_of


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make chaos", description="every fault at every write of a fix and of its rollback, then on"
    )
    parser.add_argument("--workers", type=int, default=2, help="engines at once (default: %(default)s)")
    parser.add_argument("--only", default="", help="only cases whose name holds this text; several with a comma")
    parser.add_argument("--keep", type=Path, help="keep the cases' folders here")
    given = parser.parse_args()
    words = given.only.split(",")
    begun = time.monotonic()

    def told(verdict: Verdict) -> None:
        say(f"{'survived' if verdict.survived else 'FAILED  '} {verdict.seconds:4.0f} s  {verdict.case.name}")
        for complaint in ([] if verdict.fired else ["it never happened"]) + verdict.complaints:
            say(f"           {complaint[:600]}")

    with tempfile.TemporaryDirectory(prefix="taegis-chaos-") as scratch:
        undisturbed, verdicts = run_all(
            given.keep or Path(scratch),
            lambda case: any(word in case.name for word in words),
            workers=given.workers, told=told,
        )  # fmt: skip
    survived = sum(verdict.survived for verdict in verdicts)
    say("", *table(verdicts), "")
    say(f"{survived} of {len(verdicts)} cases survived, in {time.monotonic() - begun:.0f} s; the undisturbed run makes "
        f"{len(undisturbed.journal)} journal entries, {len(writes_of(undisturbed))} kinds of writes, in "
        f"{undisturbed.seconds:.0f} s.")  # fmt: skip
    return survived != len(verdicts)


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
