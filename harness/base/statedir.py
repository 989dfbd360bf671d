"""The state folder: where stacks, the ledger and built tools live between commands of one user on one machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs

from brownout.harness.base.files import append_line
from brownout.harness.errors import StateFolderError, WorldError

OUTSIDE = "files-outside"  # in a stack's folder: the paths of what it has in other places
USUAL_PLACE = "~/.local/state/brownout"


def state_dir() -> Path:
    """The state folder, made on first use and readable by its owner only; raises StateFolderError.

    `BROWNOUT_HOME` overrides the default.
    """
    folder = _private(_place())
    _require_ours(folder)
    return folder


def existing_state_dir() -> Path | None:
    """The state folder where there is one, None otherwise: nothing is made. Raises StateFolderError."""
    folder = _place()
    try:
        there = folder.is_dir()
    except OSError as error:  # a folder above it is closed to this user
        raise StateFolderError(str(folder), error.strerror or str(error)) from error
    if there:
        _require_ours(folder)
    return folder if there else None


def usual_state_path() -> Path | None:
    """Where the state folder is by default, made or not; None for a user without a home."""
    try:
        return platformdirs.user_state_path("brownout", appauthor=False)
    except RuntimeError:  # HOME is not set, and the system knows none for this user
        return None


def ledger_path() -> Path:
    """The ledger that all commands of this user share; raises StateFolderError."""
    return state_dir() / "ledger.sqlite"


def stack_dir(stack_id: str) -> Path:
    """The folder of one stack: its stack file, lease, logs and sockets; raises StateFolderError."""
    return _private(state_dir() / "stacks" / stack_id)


def existing_stack_dir(stack_id: str) -> Path | None:
    """The folder of a stack of this state folder, None where there is none; raises StateFolderError."""
    state = existing_state_dir()
    folder = None if state is None else state / "stacks" / stack_id
    return folder if folder is not None and folder.is_dir() else None


def note_outside(folder: Path, path: Path) -> None:
    """Notes a file that is to be written outside of a stack's folder, so that it goes when the folder does."""
    append_line(folder / OUTSIDE, str(path))


def discard_stack_dir(folder: Path, *, keep_logs: bool) -> None:
    """Removes the folder of a stack that is down, with its secrets, its nodes' state and what was noted outside of it.

    Raises WorldError.

    With `keep_logs` logs that are not empty stay. A folder that is not one of `stack_dir` is left alone.
    """
    if folder.absolute().parent != state_dir() / "stacks" or folder.name == "..":  # that would be the state folder itself
        return
    _discard_outside(folder / OUTSIDE)
    logs = [path for path in folder.rglob("*.log") if path.stat().st_size] if keep_logs and folder.is_dir() else []
    try:
        for entry in folder.iterdir() if folder.is_dir() else ():
            _discard(entry, {kept for log in logs for kept in (log, *log.parents)})
        if folder.is_dir() and not logs:
            folder.rmdir()
    except OSError as error:
        raise WorldError(
            f"{folder} cannot be removed: {error}", hint="it holds keys of that stack; remove it by hand"
        ) from error


def _discard_outside(notes: Path) -> None:
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else ():
        try:
            Path(line).unlink(missing_ok=True)
        except OSError as error:
            raise WorldError(f"{line} cannot be removed: {error}", hint="it was of a stack; remove it by hand") from error


def _discard(entry: Path, kept: set[Path]) -> None:
    if entry not in kept:
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    elif entry.is_dir():
        for below in entry.iterdir():
            _discard(below, kept)


def tools_dir() -> Path:
    """The folder of tools that were built once (the Toxiproxy server)."""
    return _private(state_dir() / "tools")


def images_dir() -> Path:
    """The folder of what images are built from, and of the lock that builds take."""
    return _private(state_dir() / "images")


def _place() -> Path:
    home = os.environ.get("BROWNOUT_HOME")
    folder = Path(home).absolute() if home else usual_state_path()
    if folder is None:
        raise StateFolderError(USUAL_PLACE, "HOME is not set, and this user has no home")
    return folder


def _require_ours(folder: Path) -> None:
    """Raises StateFolderError for a folder that this user may not look into, or another user's that it may not change.

    A folder of this user on a disk that is read-only or full is no error here: an undo needs no more than to read it.
    """
    owner = folder.stat().st_uid
    closed = not os.access(folder, os.R_OK | os.X_OK)
    if closed or (owner != os.geteuid() and not os.access(folder, os.W_OK)):
        raise StateFolderError(
            str(folder), f"it belongs to another user ({owner})" if owner != os.geteuid() else "it is closed"
        )


def _private(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise StateFolderError(str(folder), getattr(error, "strerror", None) or str(error)) from error
    return folder
