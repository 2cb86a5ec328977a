"""What docs/development.md tells a developer to write and to look at is true."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checks.registry import FACTS, FIXES
from fixtures.reading import READERS
from fixtures.snapshot import write_snapshot
from tests.estates import a_forwarder, a_function, an_estate

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
EXAMPLE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "@check(" in block)


def audit(folder: Path, memory: int) -> subprocess.CompletedProcess[str]:
    """Run the page's example as it says, on an estate of one forwarder, from another folder than the checkout."""
    module = folder / "my_checks" / "test_memory.py"
    module.parent.mkdir()
    module.write_text(EXAMPLE, encoding="utf-8")
    function = replace(a_function(), memory=memory)
    write_snapshot(an_estate(a_forwarder(listed=function, function=function)), folder / "estate.json")
    command = [
        sys.executable, str(ROOT / "reports" / "command.py"), "my_checks/test_memory.py", "--replay=estate.json",
        "--checks=function-memory",
    ]  # fmt: skip
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env={**environment, "XDG_CACHE_HOME": str(folder)},
    )  # fmt: skip


def test_the_example_finds_what_it_says(tmp_path: Path) -> None:
    done = audit(tmp_path, 128)

    assert done.returncode == 1, done.stdout + done.stderr
    for told in ("[function-memory]", "at least 256 MiB", "128 MiB", "raise MemorySize", "/us-east-1/cloudtrail-prod"):
        assert told in done.stdout


def test_the_example_passes_where_it_should(tmp_path: Path) -> None:
    done = audit(tmp_path, 256)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_examples_are_lines_of_the_code_or_run_here(example: str) -> None:
    homes = (ROOT / name for name in ("fixtures", "reports"))
    sources = [path.read_text(encoding="utf-8") for home in homes for path in home.rglob("*.py")]
    assert example == EXAMPLE or any(example.strip() in source for source in sources)


def test_every_file_and_folder_that_is_named_is_there() -> None:
    named = re.findall(r"`((?:fixtures|checks|remediation|reports|tests|benchmarks|docs)/[\w/.]*)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_the_example_names_is_in_the_registry() -> None:
    assert set(re.findall(r"facts=\[\"(\w+)\"\]", PAGE)) <= FACTS
    assert re.findall(r"@reads\(\"(\w+)\"", PAGE)[0] in {reader.fact for reader in READERS.values()}
    assert "`FIXES`" in PAGE
    assert FIXES


def test_every_make_target_that_is_told_of_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"\bmake ([a-z]+)", PAGE))
    assert {target for target in told if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()
