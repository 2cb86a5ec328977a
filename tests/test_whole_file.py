"""Files are whole or not there, and what cannot be written is refused beforehand."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.errors import InputError
from fixtures.whole_file import ORDINARY, refuse_unwritable, write_whole

OLD = "the file of last night"


def names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def test_a_file_is_written_in_parts_of_text_and_bytes(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", iter(("ä\r\n", b"\xff")))
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa4\r\n\xff"
    assert names(tmp_path) == ["a"]


def test_only_its_owner_may_read_it_unless_said_otherwise(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    (tmp_path / "a").chmod(0o644)
    write_whole(tmp_path / "a", ())
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "b", (), ORDINARY)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o600, 0o644]


def test_content_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "half"
        raise ValueError("no more")

    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    with pytest.raises(ValueError, match="no more"):
        write_whole(tmp_path / "a", broken())
    assert (tmp_path / "a").read_text(encoding="utf-8") == OLD
    assert names(tmp_path) == ["a"]


def test_a_kill_in_the_middle_leaves_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    code = (
        "import os, pathlib, signal\n"
        "from fixtures.whole_file import write_whole\n"
        "def parts():\n"
        "    yield 'half' * 100_000\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "    yield 'never'\n"
        f"write_whole(pathlib.Path({str(tmp_path / 'a')!r}), parts())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == -9
    assert (tmp_path / "a").read_text(encoding="utf-8") == OLD
    assert len(list(tmp_path.glob(".a.*.part"))) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/a")
    write_whole(tmp_path / "link", ("new",))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_text(encoding="utf-8") == "new"


def test_a_device_stays_a_device() -> None:
    refuse_unwritable("a device", Path(os.devnull))
    write_whole(Path(os.devnull), ("new",))
    assert Path(os.devnull).is_char_device()


def test_a_file_that_is_mounted_by_itself_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mounted(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    monkeypatch.setattr(Path, "replace", mounted)
    write_whole(tmp_path / "a", ("new",))
    assert (tmp_path / "a").read_text(encoding="utf-8") == "new"
    assert names(tmp_path) == ["a"]


REFUSED = {
    "folder": "a folder, not a file",
    "missing/a": "there is no folder",
    "file/a": "what should be its folder is a file",
    "x" * 300: "File name too long",
}


@pytest.mark.parametrize("place", REFUSED, ids=["folder", "missing folder", "below a file", "long name"])
def test_a_place_that_cannot_be_written_is_refused_in_one_line(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text(OLD, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(REFUSED[place])) as caught:
        refuse_unwritable("--export=a", tmp_path / place)
    assert str(caught.value).startswith("--export=a: ")
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_and_a_file_without_the_right_to_write_are_refused(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    (tmp_path / "a").chmod(0o400)
    for place in ("closed/a", "a"):
        with pytest.raises(InputError, match=r"written"):
            refuse_unwritable("--export=a", tmp_path / place)


def test_asking_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(OLD, encoding="utf-8")
    refuse_unwritable("--export=a", tmp_path / "a")
    refuse_unwritable("--export=b", tmp_path / "b")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text(encoding="utf-8") == OLD


def test_missing_folders_are_made_where_that_is_asked_for(tmp_path: Path) -> None:
    refuse_unwritable("--html=out/deep/a", tmp_path / "out" / "deep" / "a", make_folders=True)
    assert names(tmp_path / "out" / "deep") == []
