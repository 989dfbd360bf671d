"""The file that halts everything: who may write it, and what is read of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from brownout.harness.base.halt import FILE_NAME, Halt, halt, lift, read_halt, require_lifted
from brownout.harness.errors import BrownoutError, Halted


def test_nothing_is_halted_at_first(tmp_path: Path) -> None:
    """A folder without the file, or no folder, halts nothing."""
    assert read_halt(tmp_path) is None
    assert read_halt(tmp_path / "none") is None
    require_lifted(tmp_path)


def test_a_halt_refuses_with_its_reason_until_it_is_lifted(tmp_path: Path) -> None:
    """Whoever is refused reads since when, why, and what ends it."""
    began_s = time.time()
    found = halt(tmp_path, "pager went off")
    assert (found.reason, abs(found.since_s - began_s) < 60) == ("pager went off", True)
    with pytest.raises(Halted, match=r"halted since 20\S+ \S+ UTC: pager went off\n  -> `brownout halt --lift`"):
        require_lifted(tmp_path)
    assert lift(tmp_path) == found
    require_lifted(tmp_path)
    assert lift(tmp_path) is None


def test_the_first_halt_stays(tmp_path: Path) -> None:
    """Halting again changes neither the reason nor the time."""
    first = halt(tmp_path, "first")
    os.utime(tmp_path / FILE_NAME, (1000, 1000))
    assert halt(tmp_path, "second") == Halt(1000, first.reason)


def test_an_empty_file_is_enough(tmp_path: Path) -> None:
    """`touch` halts, without a reason."""
    (tmp_path / FILE_NAME).touch()
    os.utime(tmp_path / FILE_NAME, (0, 0))
    assert str(read_halt(tmp_path)) == "halted since 1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"  two\n lines \n", "two lines"),
        (b"\x1b[2Jcleared", "\\x1b[2Jcleared"),
        (b"\xff", "�"),
    ],
)
def test_any_content_is_a_reason_that_can_be_printed(tmp_path: Path, content: bytes, reason: str) -> None:
    """What a person or a program wrote is one line, and steers no terminal."""
    (tmp_path / FILE_NAME).write_bytes(content)
    found = read_halt(tmp_path)
    assert found is not None
    assert found.reason == reason


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    """A whole log in the file does not fill the screen."""
    (tmp_path / FILE_NAME).write_bytes(b"x" * 1_000_000)
    found = read_halt(tmp_path)
    assert found is not None
    assert 100 < len(found.reason) <= 410


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling"])
def test_what_cannot_be_read_halts(tmp_path: Path, kind: str) -> None:
    """A folder, a pipe or a dangling link of that name is a halt, and reading it does not hang."""
    file = tmp_path / FILE_NAME
    {"folder": file.mkdir, "pipe": lambda: os.mkfifo(file), "dangling": lambda: file.symlink_to("nowhere")}[kind]()
    found = read_halt(tmp_path)
    assert found is not None
    assert str(file) in found.reason


def test_what_cannot_be_written_or_removed_says_what_to_do(tmp_path: Path) -> None:
    """Without a state folder nothing is halted; a folder in the file's place is to be removed by hand."""
    with pytest.raises(BrownoutError, match="cannot be written") as refused:
        halt(tmp_path / "none", "")
    assert "brownout down" in refused.value.hint
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(BrownoutError, match="cannot be removed") as kept:
        lift(tmp_path)
    assert kept.value.hint == "remove it by hand"


def test_what_is_written_is_the_reason_in_a_file_of_the_owner(tmp_path: Path) -> None:
    """A line of text, or nothing: as a person would have written it."""
    halt(tmp_path, "pager went off")
    file = tmp_path / FILE_NAME
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("pager went off\n", 0o600)
    lift(tmp_path)
    halt(tmp_path, "")
    assert file.read_text() == ""


def test_a_file_that_cannot_be_looked_at_halts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on because a disk fails: since now, and why."""

    def refused(self: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refused)
    found = read_halt(tmp_path)
    assert found is not None
    assert found.reason.endswith("HALT cannot be looked at: Permission denied")
    assert abs(found.since_s - time.time()) < 60


def test_a_halt_that_was_lifted_this_moment_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there when it was looked at, and is gone when it is read."""
    (tmp_path / FILE_NAME).touch()

    def lifted(path: Path, *, bytes_max: int) -> bytes:
        path.unlink()
        raise FileNotFoundError

    monkeypatch.setattr("brownout.harness.base.halt.read_regular", lifted)
    assert read_halt(tmp_path) is None


def test_a_halt_that_another_lifts_is_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands that lift at once are no error: the second finds the file gone that it has just read."""
    halt(tmp_path, "pager went off")

    def lifted(path: Path, *, bytes_max: int) -> bytes:
        path.unlink()
        return b"pager went off"

    monkeypatch.setattr("brownout.harness.base.halt.read_regular", lifted)
    found = lift(tmp_path)
    assert (found is not None and found.reason, read_halt(tmp_path)) == ("pager went off", None)
