"""One standing stack for the tests that share it, and the means to see whether anything was left running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from support.server_stacks import Stack, make_world


@pytest.fixture(scope="session")
def toxiproxy_binary() -> Path:
    return toxiproxy_server(say=lambda _: None)


@pytest.fixture(scope="module")
def stack(toxiproxy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole stack at rate 1 whose clock shows the real time."""
    world = make_world(tmp_path_factory.mktemp("stack"), toxiproxy_binary)
    with asyncio.Runner() as runner:
        started_s = time.perf_counter()
        runner.run(world.start())
        ready_s = time.perf_counter() - started_s
        try:
            yield Stack(world, runner, ready_s)
        finally:
            runner.run(world.stop())


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def fresh_world(
    toxiproxy_binary: Path, tmp_path: Path, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> Iterator[ProcessesWorld]:
    """A world that is not up yet; whatever it has become, it is down after the test."""
    world = make_world(tmp_path, toxiproxy_binary)
    yield world
    run(world.stop())
