"""Whole files and file locks: what a reader sees, and what is left when a process is killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brownout.harness.base.files import (
    OWNER_ONLY,
    FileLock,
    LockHeld,
    NotRegular,
    append_line,
    open_regular,
    read_regular,
    replace_whole,
)

HOLDER = """
import pathlib, sys, time
from brownout.harness.base.files import FileLock
lock = FileLock(pathlib.Path(sys.argv[1]))
lock.require(patience_s=0)
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock and is killed at the end."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_as_a_whole(tmp_path: Path, durable: bool) -> None:
    """Text and bytes come back as given, an older file is replaced, and no draft stays."""
    path = tmp_path / "record.json"
    replace_whole(path, "older and longer", durable=durable)
    replace_whole(path, "schön", durable=durable)
    assert path.read_bytes() == "schön".encode()
    replace_whole(path, b"\x00", durable=durable)
    assert path.read_bytes() == b"\x00"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_was_never_readable_by_others(tmp_path: Path) -> None:
    """The mode is the draft's own from the start, whatever the mode of the file that it replaces."""
    path = tmp_path / "secret"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    replace_whole(path, "new", durable=False, mode=OWNER_ONLY)
    assert stat.S_IMODE(path.stat().st_mode) == OWNER_ONLY


def test_a_durable_write_syncs_the_content_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then rename, then folder: after a power cut the name never stands for an empty file."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def spy_sync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        sync(descriptor)

    def spy_rename(draft: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(draft, target)

    monkeypatch.setattr(os, "fsync", spy_sync)
    monkeypatch.setattr(Path, "replace", spy_rename)
    replace_whole(tmp_path / "kept", "x", durable=True)
    assert steps == ["content", "rename", "folder"]
    steps.clear()
    replace_whole(tmp_path / "fleeting", "x", durable=False)
    assert steps == ["rename"]


def test_a_line_that_was_added_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes after those that are there, and is synced before the call returns."""
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    path = tmp_path / "journal"
    append_line(path, "one")
    append_line(path, "zwölf")
    assert synced == [b"one\n", "one\nzwölf\n".encode()]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs the new content only."""
    path = tmp_path / "record"
    replace_whole(path, "old", durable=False)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_whole(path, "new", durable=True)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_process_holds_a_lock_and_a_kill_frees_it(tmp_path: Path) -> None:
    """Who waits in vain learns which process has the lock; the kernel frees it when that one is killed."""
    path = tmp_path / "lock"
    with held_elsewhere(path) as holder, FileLock(path) as lock:
        assert not lock.take()
        with pytest.raises(LockHeld, match=f"process {holder.pid} still holds {path}") as caught:
            lock.require(patience_s=0.05)
        assert caught.value.holder == str(holder.pid)
        holder.kill()
        lock.require(patience_s=20)


def test_shares_exclude_an_exclusive_holder_only(tmp_path: Path) -> None:
    """Two shares go together; an exclusive lock waits for the last of them, within one process too."""
    path = tmp_path / "lock"
    with FileLock(path) as one, FileLock(path) as two, FileLock(path) as exclusive:
        assert one.take(shared=True)
        assert two.take(shared=True)
        assert not exclusive.take(patience_s=0.01)
        one.close()
        assert not exclusive.take()
        two.close()
        two.close()
        assert exclusive.take(patience_s=None)


def test_the_holder_takes_its_name_out_again(tmp_path: Path) -> None:
    """A lock that was let go names no process any more."""
    path = tmp_path / "lock"
    with FileLock(path) as lock:
        lock.require(patience_s=0)
        assert path.read_text(encoding="ascii") == str(os.getpid())
    assert path.read_text(encoding="ascii") == ""


def test_a_lock_file_is_not_followed_and_its_folder_not_made(tmp_path: Path) -> None:
    """In a shared folder a symbolic link planted under the lock's name leads nowhere."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        FileLock(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "nowhere" / "lock")


def test_another_users_lock_file_can_be_locked_when_it_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is enough to hold the lock; the holder then stays without a name."""
    path = tmp_path / "lock"
    path.write_bytes(b"")
    opened = os.open

    def refuse_writing(name: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", refuse_writing)
    with FileLock(path) as lock:
        lock.require(patience_s=0)
        with FileLock(path) as other, pytest.raises(LockHeld, match="another process"):
            other.require(patience_s=0)


def test_only_a_regular_file_is_opened_to_read(tmp_path: Path) -> None:
    """A pipe without a writer, a device, a folder and a name that cannot be raise at once, and nothing is waited for."""
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file") == b"12345"
    assert read_regular(tmp_path / "file", bytes_max=3) == b"1234", "one more byte tells that there is more"
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", NotRegular), (Path("/dev/zero"), NotRegular), (tmp_path, IsADirectoryError)):
        with pytest.raises(kind):
            open_regular(path)
    for path in (tmp_path / ("x" * 5_000), tmp_path / "a\0b", tmp_path / "missing"):
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's business
            open_regular(path)
