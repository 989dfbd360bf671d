from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.injection.ledger import Ledger
from support.fake_world import FakeWorld
from support.lifecycle_bench import Bench
from support.standing_fixtures import home, stand

__all__ = ["home", "stand"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True)
        yield Bench(ledger, FakeWorld(), tmp_path)
