"""What a user gets wrong is said in one line that names the thing, why, and what to do; the exit code is 4."""

import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.sandbox import Sandbox
from fixtures.sandbox.synthetic_release import LAMBDA_TEMPLATE, PACKAGE, SHARED_TEMPLATE, write_release
from tests.suite_runs import Ran, Suite

REGION = "--regions=us-east-1"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def suite(shared_sandbox: Sandbox, cache: Path) -> Suite:
    return Suite(shared_sandbox.environment, cache)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release")


def refused(ran: Ran, *words: str) -> None:
    """Exit 4, one line with all of these words, and nothing that looks like a crash."""
    ran.assert_no_crash()
    assert ran.code == 4, ran.said
    (line,) = ran.errors
    assert line == ran.last_line
    assert [word for word in words if word not in line] == [], line
    assert line.count("; ") or line.count(": ") > 1, "what is wrong, and what to do"


@pytest.mark.parametrize(("options", "words"), [
    (["--regions=mars"], ["'mars'", "not a region name", "us-east-1"]),
    ([REGION, "--accounts=11112222333"], ["'11112222333'", "twelve digits"]),
    ([REGION, "--checks=runtime-costum"], ["'runtime-costum'", "did you mean runtime-custom"]),
    ([REGION, "--fix", "--allow=remove-stale"], ["'remove-stale'", "did you mean remove-stale-rules"]),
    ([REGION, "--fail-on=findings"], ["'findings'", "did you mean finding"]),
    ([], ["--regions", "--sandbox"]),
])  # fmt: skip
def test_a_word_that_cannot_be_is_refused(offline: Suite, tmp_path: Path, options: list[str], words: list[str]) -> None:
    refused(offline.run(tmp_path / "run", *options), *words)


@pytest.fixture(scope="module")
def offline(cache: Path) -> Suite:
    """Nobody listens where its calls would go."""
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    return Suite({**variables, "AWS_CONFIG_FILE": "/dev/null"}, cache)


def test_a_region_that_does_not_exist_is_refused_with_the_near_ones(suite: Suite, tmp_path: Path) -> None:
    refused(suite.run(tmp_path, "--regions=us-east-9"), "'us-east-9'", "did you mean us-east-")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: folder.joinpath(name).unlink()


def with_text(name: str, text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        folder.joinpath(name).write_text(text, encoding="utf-8")

    return make


def with_package(name: str, mode: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16
        with zipfile.ZipFile(folder / PACKAGE, "w") as archive:
            archive.writestr(entry, "#!/bin/sh\n")

    return make


@pytest.mark.parametrize(("spoil", "words"), [
    (without(SHARED_TEMPLATE), [SHARED_TEMPLATE]),
    (with_text(LAMBDA_TEMPLATE, "Resources: [unclosed"), [LAMBDA_TEMPLATE]),
    (with_package("main", 0o755), [PACKAGE, "bootstrap"]),
    (with_package("bootstrap", 0o644), [PACKAGE, "bootstrap", "execut"]),
], ids=["no-template", "broken-template", "no-bootstrap", "not-executable"])  # fmt: skip
def test_a_release_that_cannot_be_used_is_refused_before_any_call(
    offline: Suite, release: Path, tmp_path: Path, spoil: Callable[[Path], None], words: list[str]
) -> None:
    spoil(release)
    refused(offline.run(tmp_path / "run", REGION, f"--release={release}"), *words)


@pytest.mark.parametrize(("settings", "words"), [
    ('taegis_region = "charlie"', ["'charlie'", "ctpx"]),
    ('taegis_regoin = "ctpx"', ["taegis_regoin", "did you mean taegis_region"]),
    ("[tenants.a]\naccount = []", ["tenants.a.account", "did you mean accounts"]),
    ("taegis_region = ctpx", ["not TOML"]),
], ids=["region", "key", "tenant-key", "not-toml"])  # fmt: skip
def test_settings_that_cannot_be_used_are_refused_before_any_call(
    offline: Suite, release: Path, tmp_path: Path, settings: str, words: list[str]
) -> None:
    tmp_path.joinpath("own.toml").write_text(settings, encoding="utf-8")
    options = [REGION, f"--settings={tmp_path / 'own.toml'}"]
    options += [] if "[tenants" in settings else [f"--release={release}"]
    refused(offline.run(tmp_path / "run", *options), *words)


def test_without_credentials_it_says_how_to_get_some(cache: Path, tmp_path: Path) -> None:
    nobody = {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    refused(Suite(nobody, cache).run(tmp_path, REGION), "AWS credentials", "none found", "--sandbox")


def test_a_sandbox_port_that_is_taken_is_named(cache: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = Suite({}, cache).run(tmp_path, "--sandbox", REGION, f"--sandbox-port={port}")
    refused(ran, f"sandbox port {port}", "in use", "name another port")


def test_without_ministack_it_says_which_extra(cache: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    hidden.joinpath("sitecustomize.py").write_text(
        "import importlib.util\n\nthere = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'ministack' else there(name, *more)\n",
        encoding="utf-8",
    )
    ran = Suite({"PYTHONPATH": str(hidden)}, cache).run(tmp_path / "run", "--sandbox", REGION)
    refused(ran, "ministack is not installed", "taegis-forwarders[sandbox]")


def test_a_kept_file_that_is_none_is_refused(offline: Suite, tmp_path: Path) -> None:
    tmp_path.joinpath("kept.json.gz").write_bytes(b"\x1f\x8bgarbage")
    refused(offline.run(tmp_path / "run", f"--replay={tmp_path / 'kept.json.gz'}"), "kept.json.gz")


def test_an_audit_from_an_empty_folder_judges_what_it_can_and_says_what_it_could_not(
    suite: Suite, tmp_path: Path
) -> None:
    ran = suite.run(tmp_path / "empty", REGION)
    ran.assert_no_crash()
    assert ran.code == 1
    assert "FAILED critical" in ran.said
    assert "runtime-custom" in ran.said
    (line,) = [line for line in ran.said.splitlines() if line.startswith("not asked  no --release given")]
    assert "code-current" in line
    assert "given --release=DIR" in ran.said
    assert [path.name for path in ran.folder.iterdir()] == ["said.txt"], "it leaves nothing behind"
