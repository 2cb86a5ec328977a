import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.package import read_package

SCRIPT = b"#!/bin/sh\nexec ./forward\n"


def elf(machine: int, bits: int = 2, order: int = 1) -> bytes:
    head = bytearray(64)
    head[:6] = b"\x7fELF" + bytes([bits, order])
    head[18:20] = machine.to_bytes(2, "little" if order == 1 else "big")
    return bytes(head)


ELF_ARM64 = elf(0xB7)


def make_zip(
    path: Path, *, name: str = "bootstrap", content: bytes = SCRIPT, mode: int = 0o755, kind: int = 0o100000
) -> Path:
    entry = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = (kind | mode) << 16 if mode else 0x20  # "archive": all that DOS knows
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, content)
    return path


@pytest.mark.parametrize(("content", "kind"), [(SCRIPT, "script"), (elf(0x3E), "elf-x86-64")])
@pytest.mark.parametrize("name", ["bootstrap", "./bootstrap"])
def test_a_program_for_this_platform_or_a_script_is_fine(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    package = read_package(make_zip(tmp_path / "a.zip", name=name, content=content))
    raw = (tmp_path / "a.zip").read_bytes()
    assert (package.kind, package.problems) == (kind, ())
    assert package.size == len(raw)
    assert package.sha256_hex == hashlib.sha256(raw).hexdigest()
    assert base64.b64decode(package.code_sha256).hex() == package.sha256_hex
    assert package.direct_upload


@pytest.mark.parametrize(
    ("changes", "kind", "problem", "usable"),
    [
        ({"name": "main"}, "none", "no bootstrap at its root (it holds 'main')", False),
        ({"name": "dist/bootstrap"}, "none", "found 'dist/bootstrap'", False),
        ({"name": "Bootstrap"}, "none", "found 'Bootstrap'", False),
        ({"name": "bootstrap/"}, "none", "no bootstrap at its root", False),
        ({"mode": 0o644}, "script", "not executable (mode 0644)", False),
        ({"mode": 0}, "script", "keeps no file modes", False),
        ({"mode": 0o700}, "script", "not executable for everybody (mode 0700", False),
        ({"mode": 0o711}, "script", "not executable for everybody", False),
        ({"kind": 0o120000, "content": b"main"}, "unknown", "symbolic link", False),
        ({"content": ELF_ARM64}, "elf-arm64", "program for arm64", True),
        ({"content": elf(0x03, bits=1)}, "elf-i386", "program for i386", True),
        ({"content": elf(0x3E, bits=1)}, "elf-x86-64", "program for x86-64", True),
        ({"content": elf(0xF3)}, "elf-machine-243", "machine-243", True),
        ({"content": elf(0x3E, order=2)}, "elf-x86-64", "program for", True),
        ({"content": b"\x7fELF\x02\x01"}, "elf-unknown", "cut off", True),
        ({"content": b""}, "unknown", "is empty", True),
        ({"content": b" \n\n"}, "unknown", "is empty", True),
        ({"content": b"#!/bin/sh\n"}, "script", "empty script", True),
        ({"content": b"#!/bin/sh\r\necho\r\n"}, "script", "Windows line ends", True),
        ({"content": b"echo no shebang\n"}, "unknown", "neither an ELF program nor a script", True),
    ],
)
def test_everything_that_lambda_would_stumble_over_is_a_problem(
    tmp_path: Path, changes: dict[str, object], kind: str, problem: str, usable: bool
) -> None:
    package = read_package(make_zip(tmp_path / "a.zip", **changes))
    assert problem in " | ".join(package.problems)
    assert (package.unusable == ()) is usable
    if "x86-64" not in kind:
        assert package.kind == kind


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert "not a zip file" in read_package(path).unusable[0]


def test_an_empty_zip_has_no_bootstrap(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert "it holds nothing" in read_package(tmp_path / "a.zip").unusable[0]


def test_a_damaged_bootstrap_is_seen(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", content=SCRIPT * 100)
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF
    path.write_bytes(raw)
    assert "cannot be unpacked" in read_package(path).unusable[0]


def test_an_encrypted_bootstrap_is_seen(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip")
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    assert "encrypted" in read_package(path).unusable[0]


def test_a_zip_that_unpacks_too_far_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.package.UNZIPPED_BYTES", 10)
    package = read_package(make_zip(tmp_path / "a.zip"))
    assert package.problems == (f"unpacks to {len(SCRIPT)} bytes, Lambda takes at most 10",)


def test_a_zip_over_the_direct_limit_is_no_problem_because_it_comes_from_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.package.DIRECT_UPLOAD_BYTES", 10)
    package = read_package(make_zip(tmp_path / "a.zip"))
    assert not package.direct_upload
    assert package.problems == ()


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_package(tmp_path / "none.zip")
