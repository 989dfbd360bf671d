"""Processes: told apart whatever their pid, and ended with their parent."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from brownout.harness.base import processes
from brownout.harness.base.processes import PARENT_VARIABLE, ProcessId, await_true, die_with_launcher

PARENT = """
import os, subprocess, sys
child = "from brownout.harness.base.processes import die_with_launcher; die_with_launcher(); print('up', flush=True); input()"
environment = {**os.environ, "BROWNOUT_PARENT": str(os.getpid())}
one = subprocess.Popen([sys.executable, "-c", child], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
one.stdout.readline()
print(one.pid, flush=True)
input()
"""


def test_an_identity_is_that_very_process() -> None:
    """The caller is alive; a process of the same pid that started at another time is not; nor is no process."""
    me = ProcessId.me()
    assert me.alive()
    assert not ProcessId(me.pid, "some other start").alive()
    assert not ProcessId(me.pid, "").alive()


def test_a_killed_process_is_dead_before_it_is_reaped() -> None:
    """A zombie counts as ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = ProcessId.of(child.pid)
    assert found is not None
    assert found.alive()
    child.kill()
    end_s = time.monotonic() + 5
    while found.alive() and time.monotonic() < end_s:
        time.sleep(0.01)
    assert not found.alive()
    child.communicate()


@pytest.mark.skipif(shutil.which("ps") is None, reason="this machine has no ps")
def test_where_there_is_no_proc_ps_tells() -> None:
    """On systems without /proc a process's start comes from ps, the same each time and empty for no process."""
    assert processes._started_by_ps(os.getpid()) == processes._started_by_ps(os.getpid()) != ""
    assert processes._started_by_ps(2**22 + 1) == ""


def test_an_older_record_names_the_same_process() -> None:
    """Clock ticks since boot, as older versions wrote, are understood as of the present boot."""
    me = ProcessId.me()
    assert ProcessId.from_ticks(me.pid, int(me.started.rpartition(":")[2])) == me


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_child_ends_with_a_killed_launcher() -> None:
    """The kernel kills it, although its launcher had no chance to."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = ProcessId.of(int(parent.stdout.readline()))
    assert child is not None
    parent.kill()
    parent.communicate()
    assert await_true(lambda: not child.alive(), 20)


def test_an_orphan_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher that ended before the child could ask is noticed by its pid; without a launcher nothing happens."""
    command = [sys.executable, "-c", "from brownout.harness.base.processes import die_with_launcher; die_with_launcher()"]
    orphan = subprocess.run(command, env={**os.environ, PARENT_VARIABLE: "1"}, check=False)
    assert orphan.returncode == -signal.SIGKILL
    monkeypatch.delenv(PARENT_VARIABLE, raising=False)
    die_with_launcher()
