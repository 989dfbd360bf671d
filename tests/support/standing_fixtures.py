"""Fixtures: a state folder of each test's own, with standing stacks in it that are files: `stand` brings one up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.injection.ledger import Ledger
from support.brownout_command import Brownout, make_brownout
from support.places import TESTS
from support.stand_ins import Stand, StandInWorld


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of this process and of those that it starts."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    return tmp_path / "home"


@pytest.fixture
def stand(home: Path) -> Iterator[Callable[[str], Stand]]:
    """Makes a standing stack of that id; its guardian and whatever the test left are ended afterwards."""
    made: list[Stand] = []

    def begin(stack_id: str = "up-1") -> Stand:
        with Ledger(ledger_path()) as ledger:
            ledger.add_stack(stack_id, folder=stack_dir(stack_id), world=StandInWorld.name, run_owned=False)
            ledger.let_go(stack_id)
        made.append(Stand(stack_id))
        made[-1].world()
        return made[-1]

    yield begin
    for each in made:
        for pid in each.guardians():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def gameday(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    """The installed command with a real stack that was left up, for all tests of a module."""
    command = make_brownout(tmp_path_factory.mktemp("gameday"))
    told = command.run("up", "--set", "readiness_gate=true", "--set", "pins.melbourne=1.0")
    assert told.returncode == 0, told.stderr
    yield command
    command.run("down", "--all")
    command.kill_everything()
