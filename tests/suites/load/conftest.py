"""The installed command, as the tests of the command line use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.brownout_command import Brownout, make_brownout


@pytest.fixture(scope="module")
def brownout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    """One state folder for all tests of a module, with the Toxiproxy that is already built."""
    command = make_brownout(tmp_path_factory.mktemp("brownout"))
    yield command
    command.kill_everything()


@pytest.fixture(scope="module")
def up(brownout: Brownout) -> Iterator[Brownout]:
    """The same with a stack that is up."""
    told = brownout.run("up")
    assert told.returncode == 0, told.stderr
    yield brownout
    brownout.run("down")
