"""What people see while a plan is applied: whatever AWS says is shown as it is, and every end is a line."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from fixtures.estate import Target
from remediation.engine import State, StepOutcome
from remediation.plan import Plan, TargetPlan
from remediation.progress import LiveProgress, PlainProgress, Stage
from remediation.step import Step
from tests.estates import HERE, a_legacy_forwarder, an_estate
from tests.planning import plan_of

PLAN = plan_of(an_estate(a_legacy_forwarder("one"), a_legacy_forwarder("two")), {"forwarder-stack": ["one", "two"]})
STEP: Step = PLAN.steps[0]
ODD = "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap] [red]not red[/] [/]"


class Screen:
    """A terminal that remembers what was written to it."""

    def __init__(self, width: int = 200, height: int = 40) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=True, width=width, height=height, color_system=None)

    @property
    def text(self) -> str:
        return self._file.getvalue()


@contextmanager
def live(screen: Screen, stage: Stage | None = None) -> Iterator[LiveProgress]:
    progress = LiveProgress(screen.console, PLAN, stage)
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


def test_a_terminal_shows_where_the_run_is_and_what_is_at_work() -> None:
    screen = Screen()
    stage = Stage("ring 2 of 3", {"done": 3, "blocked": 1}, 7)
    with live(screen, stage=stage) as progress:
        progress.begin(STEP)
        progress._live.refresh()
        progress.end(StepOutcome(STEP, State.DONE, "it works"))
        progress.say("waiting for logs")
    assert "ring 2 of 3: 0 of 2 steps" in screen.text
    assert "in all: 3 done, 0 failed, 1 blocked, 1 at work, 8 to come" in screen.text
    assert "in all: 4 done, 0 failed, 1 blocked, 0 at work, 8 to come" in screen.text
    assert "0/2" in screen.text
    assert STEP.title in screen.text
    assert f"  done     {HERE}: it works" in screen.text
    assert "waiting for logs" in screen.text


def test_what_failed_stays_in_the_table() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.end(StepOutcome(STEP, State.FAILED, "it does not run"))
        for _ in range(5):
            progress.say("others go on")
            progress._live.refresh()
    assert screen.text.count(f"FAILED  {HERE}: it does not run") >= 5


def test_the_time_to_go_is_told_from_steps_of_the_kind_once_one_was_seen() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress._live.refresh()
        progress.begin(STEP)
        progress.end(StepOutcome(STEP, State.DONE, "quickly"))
        progress._live.refresh()
    first, last = screen.text.index("about 2:00 min to go"), screen.text.rindex("1 of 2 steps, 0 s, about 0 s to go")
    assert first < last


@pytest.mark.parametrize("height", [24, 10, 5])
def test_however_many_targets_there_are_the_table_fits_the_screen(height: int) -> None:
    many = [Target(f"{number:012d}", "eu-west-1") for number in range(60)]
    plan = Plan("run", PLAN.made, tuple(TargetPlan(target, (replace(STEP, target=target),), ()) for target in many))
    screen = Screen(width=80, height=height)
    progress = LiveProgress(screen.console, plan)
    for target in plan.targets[:30]:
        progress.begin(target.steps[0])
    progress.end(StepOutcome(plan.targets[0].steps[0], State.FAILED, "x" * 200))
    lines = screen.console.render_lines(progress._table())
    assert len(lines) <= max(height - 4, 5)
    told = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert f"of 60 targets: {29 - told.count('updat')} more at work, 30 waiting, 1 through" in told


def test_what_aws_says_is_shown_as_it_is_and_not_taken_for_markup() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.begin(STEP)
        progress.note(HERE, ODD)
        progress._live.refresh()
        progress.end(StepOutcome(STEP, State.FAILED, ODD))
        progress.say(ODD)
    assert screen.text.count(ODD) >= 4


def test_a_narrow_terminal_is_enough() -> None:
    screen = Screen(width=40)
    with live(screen) as progress:
        progress.begin(STEP)
        progress.note(HERE, ODD * 10)
    assert str(HERE) in screen.text


def test_what_concerns_no_known_target_is_no_error() -> None:
    screen = Screen()
    with live(screen) as progress:
        progress.note(type(HERE)("999999999999", "eu-west-1"), "from elsewhere")
    assert "from elsewhere" not in screen.text
