"""Environments with packages that the lock does not have: real plugins and tools, for tests that are worth the wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

UV = Path(sys.executable).parent / "uv"
INSTALL_TIMEOUT_S = 300.0
OUT_OF_REACH = (
    "error sending request",
    "Failed to fetch",
    "dns error",
    "Network connectivity is disabled",
    "Connection refused",
)


def environment_with(folder: Path, *packages: str) -> Path:
    """The `bin` of a new environment in `folder` with these packages, from the cache or the registry.

    Skips the test where neither can be reached, and fails it for what else goes wrong.
    """
    for command in (
        [str(UV), "venv", "--quiet", "--python", sys.executable, str(folder)],
        [str(UV), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if any(word in done.stderr for word in OUT_OF_REACH):
            pytest.skip(f"no registry can be reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
    return folder / "bin"
