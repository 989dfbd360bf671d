"""The state folder: where stacks, the ledger and built tools live between commands of one user on one machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs

from brownout.harness.errors import WorldError


def state_dir() -> Path:
    """The state folder, made on first use and readable by its owner only; `BROWNOUT_HOME` overrides the default."""
    home = os.environ.get("BROWNOUT_HOME")
    folder = Path(home).absolute() if home else platformdirs.user_state_path("brownout", appauthor=False)
    return _private(folder)


def ledger_path() -> Path:
    """The ledger that all commands of this user share."""
    return state_dir() / "ledger.sqlite"


def stack_dir(stack_id: str) -> Path:
    """The folder of one stack: its stack file, lease, logs and sockets."""
    return _private(state_dir() / "stacks" / stack_id)


def discard_stack_dir(folder: Path, *, keep_logs: bool) -> None:
    """Removes the folder of a stack that is down, with its secrets and its nodes' state; raises WorldError.

    With `keep_logs` logs that are not empty stay. A folder that is not one of `stack_dir` is left alone.
    """
    if folder.absolute().parent != state_dir() / "stacks":
        return
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


def _discard(entry: Path, kept: set[Path]) -> None:
    if entry not in kept:
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    elif entry.is_dir():
        for below in entry.iterdir():
            _discard(below, kept)


def tools_dir() -> Path:
    """The folder of tools that were built once (the Toxiproxy server)."""
    return _private(state_dir() / "tools")


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
