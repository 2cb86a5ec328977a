"""Runs that look and test nothing: their exit code is what their work said, and never success by default."""

import pytest

from reports.looking_run import QUIET, LookingRun

pytest_plugins = ["pytester"]


class Told(LookingRun):
    code = 10


@pytest.mark.parametrize(("run", "code"), [(LookingRun, 3), (Told, 10)], ids=["silent", "told"])
def test_a_run_ends_with_what_its_work_said_and_without_a_word_as_broken_down(
    run: type[LookingRun], code: int, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_that_is_not_collected():\n    raise AssertionError")
    assert pytester.inline_run(*QUIET, plugins=[run()]).ret == code
