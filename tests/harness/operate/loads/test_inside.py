"""Loads inside of a stack are ended where everything is halted, by whatever process looks after the stack."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from brownout.harness.base.halt import FILE_NAME
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.errors import BrownoutError, WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.api_process import door
from brownout.harness.operate.halting import halt_all
from brownout.harness.operate.loads.inside import end_now
from support.fake_world import FileWorld

LOADS = ("load-master-1", "load-worker-1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a standing stack in which a load runs."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))
    made = stack_dir("s")
    FileWorld(made)
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack("s", folder=made, world=FileWorld.name, run_owned=False)
        ledger.let_go("s")
    return made


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What runs inside."""
    left = list(LOADS)

    async def end_loads(_: FileWorld) -> tuple[str, ...]:
        ended = tuple(left)
        left.clear()
        return ended

    monkeypatch.setattr(FileWorld, "end_loads", end_loads)
    return left


def test_the_file_of_a_halt_ends_them(folder: Path, loads: list[str], tmp_path: Path) -> None:
    """Without it they go on."""
    end_now(folder)
    assert loads == list(LOADS)
    (tmp_path / FILE_NAME).touch()
    end_now(folder)
    assert loads == []


def test_a_halt_by_command_names_them(folder: Path, loads: list[str]) -> None:
    """Each has a line, after that of the halt."""
    said: list[str] = []
    halt_all("drill", within_s=5.0, say=said.append)
    assert said[1:] == [f"ended {name}" for name in LOADS]


def test_what_cannot_be_ended_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The command fails, with the halt in force; the stack's process logs it and looks again."""

    async def end_loads(_: FileWorld) -> tuple[str, ...]:
        raise WorldError("no engine answers")

    monkeypatch.setattr(FileWorld, "end_loads", end_loads)
    with pytest.raises(BrownoutError, match="load runs inside of stack s cannot be told: no engine answers"):
        halt_all("drill", within_s=5.0, say=lambda _: None)
    assert (tmp_path / FILE_NAME).exists()
    with caplog.at_level(logging.ERROR):
        end_now(folder)
    assert "no engine answers" in caplog.text


def test_the_process_that_waits_for_a_first_request_looks(
    folder: Path, loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has imported nothing yet, and does so for a halt."""
    rounds = iter((True, True, False))
    monkeypatch.setattr(door, "serves", lambda *_: next(rounds))
    monkeypatch.setattr(door, "LOOK_S", 0.0)
    (tmp_path / FILE_NAME).touch()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setattr(door, "LISTENER_FD", listener.detach())
        assert door.main(folder, "no.such:entry") == 0
    assert loads == []
