"""One run for a whole session, and one run against the clock on a machine: locks that die with their holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brownout.harness.errors import BrownoutError
from brownout.harness.pytest_plugin.share import Entry, locked, once, turn_of_the_machine
from support.places import ROOT
from support.plugin_session import facade


def test_two_who_want_the_same_make_it_once(tmp_path: Path) -> None:
    """The second waits for the first and gets what it made."""
    made, found = [], []
    begun, go_on = threading.Event(), threading.Event()

    def make() -> Entry:
        begun.set()
        go_on.wait(10)
        made.append(1)
        return Entry(folder="there")

    def want() -> None:
        found.append(once(tmp_path, "key", make))

    threads = [threading.Thread(target=want) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == [Entry(folder="there")] * 2
    assert len(made) == 1


HOLDER = """
import pathlib, sys, time
from brownout.harness.pytest_plugin.share import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """A worker that is killed with the lock in hand does not block the others; one that lives makes them give up in time."""
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BrownoutError, match="still holds"), locked(path, wait_s=0.2):
            raise AssertionError("the lock was given twice")
    finally:
        holder.kill()
        holder.communicate()
    with locked(path, wait_s=5):
        assert path.exists()


def test_runs_against_the_clock_take_turns_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, whichever session it belongs to; a simulation needs no turn."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("brownout.harness.pytest_plugin.share.WAIT_S", 0.0)
    with turn_of_the_machine():
        with pytest.raises(BrownoutError, match="still holds"), turn_of_the_machine():
            raise AssertionError("two had the turn at once")
        assert facade(tmp_path).run("tiny.yaml").verdict == "breach"
    with turn_of_the_machine():
        assert tmp_path.exists()
