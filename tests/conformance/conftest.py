"""Worlds under test, each behind the same small driver."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.world import Carrier
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from support.world_drivers import EPOCH_S, Driver, LiveDriver, SimulationDriver, spec_for

Make = Callable[[Path], Driver]
CONTAINERS = (pytest.mark.slow, pytest.mark.docker)
WORLDS = ["simulation", pytest.param("processes", marks=pytest.mark.slow), pytest.param("compose", marks=CONTAINERS)]


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests out of the user's own state folder (a proxy that was built there earlier is used all the same)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWNOUT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def toxiproxy_binary(home: None) -> Path:
    return toxiproxy_server(say=lambda _: None)


@pytest.fixture(scope="module", params=WORLDS)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a driver over a fresh stack that is not up; `folder` is the stack's."""
    if request.param == "simulation":
        return lambda folder: SimulationDriver(SimulationWorld(spec_for(), epoch_s=EPOCH_S))
    if request.param == "compose":

        def containers(folder: Path) -> Driver:
            named = folder / f"c-{secrets.token_hex(4)}"  # the engine is everybody's, and a stack is called like its folder
            return LiveDriver(ComposeWorld(spec_for(), folder=named, epoch_s=time.time(), rate=1.0), asyncio.Runner())

        return containers
    binary: Path = request.getfixturevalue("toxiproxy_binary")

    def processes(folder: Path) -> Driver:
        world = ProcessesWorld(spec_for(), folder=folder, epoch_s=time.time(), rate=1.0, toxiproxy_binary=binary)
        return LiveDriver(world, asyncio.Runner())

    return processes


@pytest.fixture(scope="module")
def standing(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One stack that the tests of a module share; each leaves it as it found it."""
    driver = make(tmp_path_factory.mktemp("standing"))
    try:
        driver.run(driver.world.start())
        yield driver
        driver.run(driver.require_whole())
    finally:
        driver.close()


@pytest.fixture
def driver(standing: Driver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """The standing stack. What a test held is checked to be whole again after it, everything at the end of the module."""
    touched: set[str] = set()
    hold = standing.world.hold

    async def noted(carrier: Carrier, fault_id: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        touched.add(carrier.name)
        return await hold(carrier, fault_id, state)

    monkeypatch.setattr(standing.world, "hold", noted)
    yield standing
    standing.run(standing.require_whole(touched))


@pytest.fixture
def fresh(make: Make, tmp_path: Path) -> Iterator[Driver]:
    """A stack of the test's own, not up; whatever it has become, it is gone afterwards."""
    made = make(tmp_path / "stack")
    yield made
    made.close()
