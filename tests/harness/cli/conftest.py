"""A state folder and a working folder for each test that runs the command, with the Toxiproxy that is already built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.brownout_command import Brownout, make_brownout
from support.standing_fixtures import gameday, home, stand

__all__ = ["gameday", "home", "stand"]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder and an empty working folder, for commands inside this process."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def brownout(tmp_path: Path) -> Iterator[Brownout]:
    command = make_brownout(tmp_path)
    yield command
    command.kill_everything()


@pytest.fixture(scope="module")
def shared_brownout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    """One for all tests of a module that share what a single run or stack showed."""
    command = make_brownout(tmp_path_factory.mktemp("brownout"))
    yield command
    command.kill_everything()
