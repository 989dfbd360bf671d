"""Files that several processes read and write: whole replacement, and locks that end with their holder.

`replace_whole` writes beside the file, then renames: a reader sees the old content or the new, never half of one, whatever
is killed in between. Only a *durable* write also survives a power cut: content and folder are synced, which costs
milliseconds on a busy disk. Each caller says which of the two it needs.

`append_line` is for journals: a line that was added before a power cut is there after it, and at most the last one is torn.

`FileLock` is flock(2). The kernel drops it when the last descriptor of the holder closes, so a killed process never blocks
the others. flock has no time-out of its own: a wait that ends is a poll.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from pathlib import Path
from typing import BinaryIO, Self

from brownout.harness.errors import BrownoutError

OWNER_ONLY = 0o600
POLL_MIN_S, POLL_MAX_S = 0.002, 0.1


class NotRegular(OSError):
    """A pipe, device, socket or folder where a file is wanted."""


def is_there(path: Path) -> bool:
    """Whether a path that a user named leads to anything; raises nothing.

    `Path.exists` and its like raise for a name that no file can have and for a folder that may not be read.
    """
    return os.path.exists(path)  # noqa: PTH110  # it answers False where pathlib's raises


def is_file_there(path: Path) -> bool:
    """Whether a path that a user named leads to a file; raises nothing, like `is_there`."""
    return os.path.isfile(path)  # noqa: PTH113  # it answers False where pathlib's raises


def is_folder_there(path: Path) -> bool:
    """Whether a path that a user named leads to a folder; raises nothing, like `is_there`."""
    return os.path.isdir(path)  # noqa: PTH112  # it answers False where pathlib's raises


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file to read; raises OSError, NotRegular for what would wait for a writer or never end.

    Also for names that no file can have: too long, or with a NUL.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # to open a pipe would wait for its writer
    except ValueError as error:  # an embedded NUL, or half of a surrogate pair
        raise NotRegular(errno.EINVAL, "no file can have this name") from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        raise NotRegular(errno.EINVAL, "it is a pipe, a device or a socket")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, *, bytes_max: int = -1) -> bytes:
    """The content of a regular file, at most `bytes_max` and one more byte of it; raises what `open_regular` raises."""
    with open_regular(path) as file:
        return file.read(bytes_max + 1 if bytes_max >= 0 else -1)


class LockHeld(BrownoutError):
    """Another process holds the lock of `path`; `holder` is its pid as text, "" where it cannot be read."""

    def __init__(self, path: Path, holder: str, waited_s: float) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(f"{who} still holds {path} after {waited_s:.0f} s", hint="see what runs there, and end it")
        self.path, self.holder, self.waited_s = path, holder, waited_s


def replace_whole(path: Path, data: str | bytes, *, durable: bool, mode: int = 0o666) -> None:
    """Replaces `path` by a file with this content (text as UTF-8) and `mode` less the umask; raises OSError, leaving no draft.

    Several processes and threads may replace one path at once: the last rename wins.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.unlink(missing_ok=True)  # of a killed process that had this pid
    try:
        # O_EXCL: the mode is surely ours, and a planted symbolic link is not followed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Adds one line to a file, durably, and makes the file where there is none; raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut: the new name is in the folder's own data."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """A handle on the lock of a file, which is made when missing; a context manager that releases the lock at its end.

    Constructing it takes no lock; raises OSError, FileNotFoundError for a folder that is not there. Two handles exclude each
    other within one process too.
    """

    def __init__(self, path: Path, *, mode: int = OWNER_ONLY) -> None:
        self.path = path
        self._signed = False
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
        except (
            OSError
        ) as refused:  # another user's file in a shared folder, or a read-only disk: to read it is enough for flock
            if refused.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)

    def take(self, *, shared: bool = False, patience_s: float | None = 0.0) -> bool:
        """True once it is held; False when others still hold it after `patience_s`. None waits as long as it takes."""
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if patience_s is None:
            fcntl.flock(self._descriptor, how)
            return True
        return self._poll(how | fcntl.LOCK_NB, patience_s)

    def require(self, *, patience_s: float) -> None:
        """Takes it exclusively and signs the file with this process's pid; raises LockHeld after `patience_s`."""
        if not self.take(patience_s=patience_s):
            raise LockHeld(self.path, self._holder(), patience_s)
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode("ascii"), 0)
            self._signed = True
        except OSError:  # opened to read only, or a full disk: held without a name
            return

    def _holder(self) -> str:
        return os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()

    def close(self) -> None:
        """Lets go of the lock. May run twice."""
        if self._descriptor < 0:
            return
        if self._signed:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _poll(self, how: int, patience_s: float) -> bool:
        began_s = time.monotonic()
        while True:
            try:
                fcntl.flock(self._descriptor, how)
            except OSError as taken:
                if taken.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            else:
                return True
            waited_s = time.monotonic() - began_s
            if waited_s >= patience_s:
                return False
            # late by a twentieth at most, and cheap however long it takes
            time.sleep(min(POLL_MAX_S, max(POLL_MIN_S, waited_s / 20)))
