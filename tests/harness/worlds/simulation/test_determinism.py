"""One seed is one history, byte for byte, on every run and whatever PYTHONHASHSEED; another seed is another history."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import TESTS
from support.troubled_run import digest


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs in one process, one after the other, write equal logs."""
    assert digest(tmp_path / "a", 3) == digest(tmp_path / "b", 3)


def test_another_seed_gives_another_history(tmp_path: Path) -> None:
    """The seed decides."""
    assert digest(tmp_path / "a", 3) != digest(tmp_path / "b", 4)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_hashing_does_not_matter(tmp_path: Path, hash_seed: str) -> None:
    """Another interpreter with another PYTHONHASHSEED writes the same bytes."""
    program = (
        "import sys; from pathlib import Path; from support.troubled_run import digest; print(digest(Path(sys.argv[1]), 3))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", program, str(tmp_path / "there")]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert other.stdout.strip() == digest(tmp_path / "here", 3)
