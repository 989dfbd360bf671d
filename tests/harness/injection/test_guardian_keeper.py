"""A run's guardian that dies or freezes is replaced; where that fails, the run is not protected."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brownout.harness.injection import guardian_start
from brownout.harness.injection.guardian_keeper import RESTARTS, GuardianKeeper
from brownout.harness.injection.guardian_start import READY_FILE, GuardianHandle, is_watched, read_beat, take_guardian_lock

PROGRAM = """
import pathlib, sys, time
from brownout.harness.injection.guardian_start import write_beat
folder = pathlib.Path(sys.argv[1])
write_beat(folder, acting=False, first=True)
while True:
    time.sleep(0.02)
    write_beat(folder, acting=False)
"""


class Bench:
    """Starts processes that give signs of life as guardians do, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        self.broken = False

    def start(self) -> GuardianHandle:
        program = "raise SystemExit(3)" if self.broken else PROGRAM
        self.started.append(subprocess.Popen([sys.executable, "-c", program, str(self.folder)]))
        return GuardianHandle(self.started[-1], self.folder)

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def guardians(tmp_path: Path):
    made = Bench(tmp_path)
    yield made
    made.end()


def until_ready(keeper: GuardianKeeper, guardians: Bench) -> None:
    GuardianHandle(guardians.started[-1], guardians.folder).wait_ready()
    assert keeper.problem() == ""


def test_a_guardian_that_was_killed_is_replaced(guardians: Bench) -> None:
    """The run goes on, and how the guardian ended is kept."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    assert keeper.problem() == ""
    guardians.started[0].kill()
    guardians.started[0].wait()
    assert keeper.problem() == ""
    until_ready(keeper, guardians)
    assert len(guardians.started) == 2
    assert keeper.replaced[0].startswith("the guardian ended (signal SIGKILL) at ")


def test_a_guardian_that_is_frozen_is_replaced(guardians: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its signs of life stop; it is killed, so that it does nothing when it would wake."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    os.kill(guardians.started[0].pid, signal.SIGSTOP)
    monkeypatch.setattr(guardian_start, "BEAT_PATIENCE_S", -1.0)
    assert keeper.problem() == ""
    monkeypatch.undo()
    assert guardians.started[0].poll() == -signal.SIGKILL
    assert "has not moved for" in keeper.replaced[0]
    until_ready(keeper, guardians)


def test_guardians_that_keep_dying_are_a_problem(guardians: Bench) -> None:
    """After some replacements the run is told that nobody guards it."""
    keeper = GuardianKeeper(guardians.start)
    keeper.start()
    guardians.broken = True
    guardians.started[0].kill()
    guardians.started[0].wait()
    for _ in range(RESTARTS):
        assert keeper.problem() == ""
        guardians.started[-1].wait()
    assert keeper.problem() == f"the guardian ended (exit code 3), as {RESTARTS} others before it"


def test_a_frozen_guardian_does_not_watch_a_standing_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still holds its lock; without signs of life it does not count."""
    held = take_guardian_lock(tmp_path)
    assert held is not None
    assert is_watched(tmp_path)  # one of an earlier version gives no sign
    guardian_start.write_beat(tmp_path, acting=False, first=True)
    assert is_watched(tmp_path)
    monkeypatch.setattr(guardian_start, "BEAT_PATIENCE_S", -1.0)
    assert not is_watched(tmp_path)
    guardian_start.write_beat(tmp_path, acting=True)
    assert is_watched(tmp_path)  # undoing faults takes a while
    held.close()


def test_a_sign_of_life_makes_no_file_in_a_folder_that_was_emptied(tmp_path: Path) -> None:
    """Only the first makes it: a stack may be taken away under its guardian."""
    guardian_start.write_beat(tmp_path, acting=False)
    assert not (tmp_path / READY_FILE).exists()
    assert read_beat(tmp_path) is None
