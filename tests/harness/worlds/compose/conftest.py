"""One stack of containers for a whole session of tests; each test leaves it as it found it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.stack_spec import build_stack
from support.containers import ContainerStack

PUBLISH_INTERVAL_S = 2.0


@pytest.fixture(scope="session")
def stack_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of the stack that is shared; what is on the engine carries its digest as owner."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def in_home(stack_home: Path) -> Iterator[None]:
    """Each file of this folder runs in that state folder, whatever other folders have set for the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWNOUT_HOME", str(stack_home))
        yield


@pytest.fixture(scope="session")
def stack(stack_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    """A stack that publishes often, so that nodes without a replica are soon ready."""
    spec = build_stack(seed=23, settings={"publish_interval_s": PUBLISH_INTERVAL_S})
    folder = tmp_path_factory.mktemp("stack") / f"s-{time.monotonic_ns():x}"
    world = ComposeWorld(spec, folder=folder, epoch_s=time.time(), rate=1.0)
    engine = DockerEngine()
    with asyncio.Runner() as runner:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("BROWNOUT_HOME", str(stack_home))
                runner.run(world.start())
            yield ContainerStack(world, runner, engine)
        finally:
            runner.run(world.stop())
            engine.close()


@pytest.fixture
def whole(stack: ContainerStack) -> Iterator[ContainerStack]:
    """The stack, whole again after the test."""
    yield stack
    stack.run(stack.require_whole())
