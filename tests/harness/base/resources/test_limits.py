"""Limits of this machine against what is needed."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from brownout.harness.base.resources import limits
from brownout.harness.base.resources.limits import Need
from brownout.harness.errors import WorldError

_RAISED = """
import resource
from brownout.harness.base.resources.limits import Need, require
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 900))
require(Need({needed}))
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_soft_limit_of_open_files_is_raised_as_far_as_the_hard_one_allows() -> None:
    """Then nothing is refused, and the hard limit stays."""
    raised = subprocess.run([sys.executable, "-c", _RAISED.format(needed=800)], capture_output=True, text=True, check=True)
    assert raised.stdout.split() == ["900", "900"]


def test_a_hard_limit_that_is_too_low_is_an_error_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint has the command that raises it."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    with pytest.raises(WorldError, match="893 open files in one process, and the limit is 64") as refused:
        limits.require(Need(893))
    assert "`ulimit -n 893`" in refused.value.hint
    assert refused.value.exit_code == 4


def test_every_shortage_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Memory, ephemeral ports and processes are looked at as open files are."""
    (tmp_path / "range").write_text("40000\t40009\n")
    (tmp_path / "memory").write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    monkeypatch.setattr(limits, "_PORT_RANGE", tmp_path / "range")
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "memory")
    monkeypatch.setattr(limits.os, "geteuid", lambda: 4_000_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 5))
    found = limits.shortages(Need(6, processes=50, memory_bytes=10 << 20, ports=300))
    assert [short.what for short in found] == ["open files", "processes", "memory", "ephemeral ports"]
    assert "10 MB of memory, and 2 MB are available" in found[2].text
    assert "300 ephemeral ports, and the range has 10" in found[3].text
    assert all(short.fix for short in found)


def test_what_the_system_does_not_tell_is_no_shortage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system without /proc starts stacks too."""
    monkeypatch.setattr(limits, "_PORT_RANGE", tmp_path / "none")
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "none")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert limits.shortages(Need(10**9, 10**9, 10**15, 10**9)) == ()
    assert limits.open_files_max() == "any number of"


def test_a_disk_with_too_little_room_is_refused_before_its_folder_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The figure needed and the figure found are both said."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 << 20))
    with pytest.raises(WorldError, match=r"the record of the run needs 20 MB on the disk of .*, and 3 MB are free"):
        limits.require_room(tmp_path / "runs" / "deep", 20 << 20, "the record of the run")
    limits.require_room(tmp_path / "runs", 2 << 20, "the record of the run")
    assert list(tmp_path.iterdir()) == []
