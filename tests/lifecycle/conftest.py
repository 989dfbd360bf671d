from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import FakeWorld
from lifecycle_bench import Bench

from brownout.harness.ledger import Ledger


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="fake_world:FileWorld", run_owned=True)
        yield Bench(ledger, FakeWorld(), tmp_path)
