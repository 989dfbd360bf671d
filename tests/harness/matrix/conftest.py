"""The command as a user runs it, for the test on real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.brownout_command import Brownout, make_brownout


@pytest.fixture
def brownout(tmp_path: Path) -> Iterator[Brownout]:
    command = make_brownout(tmp_path)
    yield command
    command.kill_everything()
