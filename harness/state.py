"""The state folder: where stacks, the ledger and built tools live between commands of one user on one machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


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


def tools_dir() -> Path:
    """Where tools that were built once (the Toxiproxy server) are kept."""
    return _private(state_dir() / "tools")


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
