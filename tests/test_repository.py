"""Rules about the repository itself: where AWS may be touched, which way imports go, what must never be committed."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("fixtures", "checks", "remediation", "reports")
AWS_SDK = {"boto3", "botocore", "aiobotocore", "s3transfer"}
MAY_TALK_TO_AWS = ("fixtures/", "remediation/", "reports/delivery/")
CODE_LINES, TEST_LINES = 400, 500
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Written as patterns, so that this file does not hold what it forbids.
FOREIGN = {
    "a path of somebody's machine": re.compile(r"/(?:home|Users|root|work|workspace|mnt|srv)/\w|file:///\w"),
    "a host of a package registry": re.compile(r"(?:pypi|pythonhosted|npmjs|crates|golang|debian)\.(?:org|com|io)"),
    "an option that names a package index": re.compile(r"--(?:extra-)?index-url\b|--find-links\b|--trusted-host\b"),
}


@cache
def tracked() -> tuple[Path, ...]:
    """The files that are, or would be, in the repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a clone: there is no list of its files")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(sorted(ROOT / name for name in names if (ROOT / name).is_file()))


def product() -> tuple[Path, ...]:
    """The Python files that are installed."""
    found = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    return (ROOT / "conftest.py", *sorted(found))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in a file, also inside functions, and by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in {"import_module", "__import__", "find_spec", "importorskip"}:
                yield str(node.args[0].value)


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("what", FOREIGN)
def test_no_tracked_file_names(what: str) -> None:
    allowed = {"Makefile"} if "option" in what else set()
    offenders = []
    for path in tracked():
        if path == Path(__file__) or name_of(path) in allowed:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        offenders += [f"{name_of(path)}: {found.group()}" for found in FOREIGN[what].finditer(text)]
    assert offenders == []


def test_no_tracked_file_names_this_very_checkout() -> None:
    here = {str(ROOT), str(Path.home())} - {"/"}
    offenders = [
        f"{name_of(path)}: {place}"
        for path in tracked()
        for place in here
        if re.search(rf"{re.escape(place)}(?![\w-])", path.read_bytes().decode("utf-8", errors="replace"))
    ]
    assert offenders == []


def test_only_the_readers_and_the_writers_import_an_aws_sdk() -> None:
    offenders = [
        f"{name_of(path)} imports {module}"
        for path in product()
        if not name_of(path).startswith(MAY_TALK_TO_AWS)
        for module in imported(tree_of(path))
        if module.partition(".")[0] in AWS_SDK
    ]
    assert offenders == []


def test_imports_go_one_way() -> None:
    """Only the plugin modules know more than their left neighbours."""
    offenders = []
    for path in product():
        layer = name_of(path).partition("/")[0]
        if layer not in LAYERS or path.name == "plugin.py":
            continue
        right = LAYERS[LAYERS.index(layer) + 1 :]
        offenders += [
            f"{name_of(path)} imports {module}"
            for module in imported(tree_of(path))
            if module.partition(".")[0] in {*right, "tests", "benchmarks"}
        ]
    assert offenders == []


def test_nothing_at_all_happens_when_a_module_is_imported() -> None:
    """No client is made and no connection opened, whichever module is imported: collection is offline."""
    modules = [
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in product()
        if path.name != "conftest.py" and "/release/" not in name_of(path)
    ]
    code = (
        "import importlib, socket, subprocess, botocore.session\n"
        "def refuse(*_, **__): raise AssertionError('called while importing')\n"
        "socket.socket.connect = refuse\n"
        "botocore.session.Session.create_client = refuse\n"
        "subprocess.Popen.__init__ = refuse\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_arn_of_one_partition_is_written_in_the_code() -> None:
    offenders = []
    for path in product():
        if name_of(path).startswith("fixtures/sandbox/"):
            continue
        tree = tree_of(path)
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        offenders += [
            f"{name_of(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and id(node) not in documented and "arn:aws:" in str(node.value)
        ]
    assert offenders == []


def test_no_file_grows_past_what_one_reads_at_a_sitting() -> None:
    offenders = []
    for path in tracked():
        if path.suffix in {".py", ".js", ".css"}:
            limit = TEST_LINES if name_of(path).startswith("tests/") else CODE_LINES
            if len(lines_of(path)) > limit:
                offenders.append(f"{name_of(path)}: {len(lines_of(path))} lines")
    assert offenders == []


def test_no_file_is_a_catch_all() -> None:
    names = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [name_of(path) for path in tracked() if path.stem in names or path.parent.name in names] == []


def test_every_exception_to_a_rule_carries_its_reason() -> None:
    lint = re.compile(r"#\s*noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?\s*$")
    types = re.compile(r"#\s*type:\s*ignore(?:\[[\w, -]+\])?\s*$")
    installed = set(product())
    offenders = [
        f"{name_of(path)}:{number}"
        for path in tracked()
        if path.suffix == ".py"
        for number, line in enumerate(lines_of(path), 1)
        if lint.search(line) or (path in installed and types.search(line))
    ]
    assert offenders == []


def test_the_packages_of_the_wheel_are_the_folders_of_the_checkout() -> None:
    found = {
        f"taegis_forwarders.{name_of(path.parent).replace('/', '.')}"
        for layer in LAYERS
        for path in (ROOT / layer).rglob("__init__.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted({"taegis_forwarders", *found})


def test_the_lock_pins_every_package_with_hashes_and_names_no_place() -> None:
    entries = re.findall(r"^[a-z0-9].*(?:\n    --hash.*)+", LOCK, re.MULTILINE)
    heads = re.findall(r"^[^\s#].*", LOCK, re.MULTILINE)

    assert len(entries) == len(heads) > 0
    assert [head for head in heads if not re.match(r"[a-z0-9-]+==[\w.!+]+(?: ; [^\\]+)? \\$", head)] == []
    hashes = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$", re.MULTILINE)
    assert not re.search(r"://|@ |^\s*-|\.\./", hashes.sub("", LOCK), re.MULTILINE)


def test_the_lock_holds_every_requirement_of_the_project_in_a_version_that_fits() -> None:
    asked = (
        *PROJECT["project"]["dependencies"],
        *(asked for extra in PROJECT["project"]["optional-dependencies"].values() for asked in extra),
        *PROJECT["dependency-groups"]["dev"],
        *PROJECT["build-system"]["requires"],
    )
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([\w.!+]+)", LOCK, re.MULTILINE):
        pinned.setdefault(name, []).append(version)

    offenders = []
    for text in asked:
        wanted = Requirement(text)
        versions = pinned.get(re.sub(r"[-_.]+", "-", wanted.name).lower(), [])
        if not versions or not all(wanted.specifier.contains(version) for version in versions):
            offenders.append(f"{text}: {versions or 'not locked'}")
    assert offenders == []


def test_every_page_that_is_named_is_there() -> None:
    named = {
        (name_of(path), page)
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml"} or path.name == "Makefile"
        for page in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(encoding="utf-8"))
    }
    assert sorted(f"{where}: {page}" for where, page in named if not (ROOT / page).is_file()) == []


def test_links_between_pages_lead_somewhere() -> None:
    offenders = []
    for path in tracked():
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
                offenders += [f"{name_of(path)}: {link}"] * ("://" not in link and not (path.parent / link).exists())
    assert offenders == []


def test_the_changelog_says_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)
    assert "Keep a Changelog" in text
