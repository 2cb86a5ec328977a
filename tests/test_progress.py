"""What people see while a plan is applied: whatever AWS says is shown as it is, and every end is a line."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console

from remediation.engine import State, StepOutcome
from remediation.progress import LiveProgress, PlainProgress
from remediation.step import Step
from tests.estates import HERE, a_legacy_forwarder, an_estate
from tests.planning import plan_of

PLAN = plan_of(an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two")), {"forwarder-stack": ["one", "two"]})
STEP: Step = PLAN.steps[0]
ODD = "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap] [red]not red[/] [/]"


class Screen:
    """A terminal that remembers what was written to it."""

    def __init__(self, width: int = 200) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=True, width=width, color_system=None)

    @property
    def text(self) -> str:
        return self._file.getvalue()


@contextmanager
def live(screen: Screen) -> Iterator[LiveProgress]:
    progress = LiveProgress(screen.console, PLAN)
    with progress:
        yield progress


def test_plain_progress_is_a_line_for_each_end_and_nothing_else() -> None:
    lines: list[str] = []
    with PlainProgress(lines.append) as progress:
        progress.begin(STEP)
        progress.note(HERE, "something")
        progress.end(StepOutcome(STEP, State.DONE, ODD))
        progress.say("a line")
    assert lines == [f"  done     {HERE}: {ODD}", "a line"]


@pytest.mark.parametrize("state", list(State))
def test_plain_lines_stand_in_columns(state: State) -> None:
    lines: list[str] = []
    PlainProgress(lines.append).end(StepOutcome(STEP, state, "told"))
    assert lines[0].index(str(HERE)) == 11
    assert lines[0].startswith(f"  {state}")


def test_plain_lines_of_many_lanes_are_whole() -> None:
    pieces: list[str] = []
    progress = PlainProgress(pieces.append)

    def lane() -> None:
        for _ in range(50):
            progress.say("x" * 50)

    lanes = [threading.Thread(target=lane) for _ in range(4)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    assert pieces == ["x" * 50] * 200


def test_a_terminal_shows_a_row_for_each_target_and_counts_its_steps() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.begin(STEP)
        progress._live.refresh()
        progress.end(StepOutcome(STEP, State.DONE, "it works"))
        progress.say("waiting for logs")
    assert "0 of 2 steps" in screen.text
    assert "1 of 2 steps" in screen.text
    assert "1/2" in screen.text
    assert STEP.title in screen.text
    assert f"  done     {HERE}: it works" in screen.text
    assert "waiting for logs" in screen.text


def test_what_aws_says_is_shown_as_it_is_and_not_taken_for_markup() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.note(HERE, ODD)
        progress._live.refresh()
        progress.end(StepOutcome(STEP, State.FAILED, ODD))
        progress.say(ODD)
    assert screen.text.count(ODD) >= 4


def test_a_narrow_terminal_is_enough() -> None:
    screen = Screen(width=40)
    with live(screen) as progress:
        progress.note(HERE, ODD * 10)
    assert str(HERE) in screen.text


def test_what_concerns_no_known_target_is_no_error() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.note(type(HERE)("999999999999", "eu-west-1"), "from elsewhere")
    assert "from elsewhere" not in screen.text
