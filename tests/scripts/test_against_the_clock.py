"""Tests against the clock get a second try alone, a few of them, and no failure that stays is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "against_the_clock.py"
UNSTEADY = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_unsteady(number):
    seen = Path(f"seen-{{number}}")
    first = not seen.exists()
    seen.touch()
    assert not first
"""
STEADY = """
def test_good():
    pass

def test_bad():
    assert False
"""


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, str(SCRIPT), "-q", "test_it.py"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_what_fails_once_is_named_and_passes(tmp_path: Path) -> None:
    """Two tests that fail at first and pass alone: the run passes, and both names stand at the end."""
    done = run(tmp_path, UNSTEADY.format(count=2))
    assert done.returncode == 0, done.stdout
    assert "passed when run alone" in done.stdout
    assert done.stdout.rstrip().endswith("stood still: test_it.py::test_unsteady[0], test_it.py::test_unsteady[1]")


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    """A test that fails again fails the run, and what passed at first is not run again."""
    done = run(tmp_path, STEADY)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert " 1 failed in" in done.stdout.rstrip().splitlines()[-1]


def test_many_failures_are_not_tried_again(tmp_path: Path) -> None:
    """Five that would pass the second time fail the run at once."""
    done = run(tmp_path, UNSTEADY.format(count=5))
    assert done.returncode == 1
    assert "run once more" not in done.stdout


@pytest.mark.parametrize(("text", "code"), [("import nothing_of_that_name\n", 2), ("", 5)], ids=["broken file", "no tests"])
def test_other_ends_are_handed_on(tmp_path: Path, text: str, code: int) -> None:
    """A file that cannot be read and a selection without tests keep pytest's exit codes."""
    done = run(tmp_path, text)
    assert done.returncode == code, done.stdout
    assert "run once more" not in done.stdout
