"""The bare names of the packages are refused in the checkout: they are not there in a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.installed_wheel import FOLDERS
from support.places import ROOT

RUFF = Path(sys.executable).with_name("ruff")


def refused(code: str) -> bool:
    """Whether ruff, as the checkout configures it, refuses an import in a file of the checkout."""
    command = [str(RUFF), "check", "--select", "TID251", "--stdin-filename", "harness/planted.py", "-"]
    return subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False).returncode == 1


@pytest.mark.parametrize("name", FOLDERS)
def test_a_bare_name_is_refused(name: str) -> None:
    """`import harness` and `from harness import ...` are errors, `brownout.harness` is none."""
    assert refused(f"import {name}\n")
    assert refused(f"from {name}.errors import Error\n")
    assert not refused(f"import brownout.{name}\n")
