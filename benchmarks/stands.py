"""What benchmarks need: a state folder of their own, and a stack that is up."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tokens import token_request
from brownout.harness.base.statedir import tools_dir
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.install import TOXIPROXY_PROGRAM, toxiproxy_server
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request, Response

ROOT = Path(__file__).resolve().parent.parent
SEED = 1
HOST_NODE, DIRECTORY_NODE = "sydney.host", "sydney.directory"


@dataclass(frozen=True, slots=True)
class Home:
    """A state folder that lives as long as one benchmark, and the Toxiproxy that was there before."""

    folder: Path
    toxiproxy: Path

    def world(self, name: str, vendors: tuple[str, ...] = ("azure",)) -> ProcessesWorld:
        """A two-region stack at rate 1 that is not up yet."""
        spec = build_stack(seed=SEED, vendors=vendors)
        return ProcessesWorld(spec, folder=self.folder / name, epoch_s=time.time(), rate=1.0, toxiproxy_binary=self.toxiproxy)


@contextmanager
def own_home() -> Iterator[Home]:
    """Makes BROWNOUT_HOME a folder of our own for as long as the block lasts; Toxiproxy is linked there, not built anew."""
    program = toxiproxy_server(say=lambda line: print(line, file=sys.stderr))
    before = os.environ.get("BROWNOUT_HOME")
    folder = Path(tempfile.mkdtemp(prefix="brownout-bench-"))
    try:
        os.environ["BROWNOUT_HOME"] = str(folder)
        (tools_dir() / TOXIPROXY_PROGRAM).symlink_to(program.resolve())
        yield Home(folder, program)
    finally:
        if before is None:
            del os.environ["BROWNOUT_HOME"]
        else:
            os.environ["BROWNOUT_HOME"] = before
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def standing_stack() -> AsyncIterator[ProcessesWorld]:
    """A stack that is up while the block lasts, its host with a cached token for one machine."""
    with own_home() as home:
        world = home.world("stack")
        await world.start()
        try:
            await prime(world)
            yield world
        finally:
            await world.stop()


@asynccontextmanager
async def standing_aws_stack() -> AsyncIterator[ProcessesWorld]:
    """A stack of AWS's half alone that is up while the block lasts."""
    with own_home() as home:
        world = home.world("stack", ("aws",))
        await world.start()
        try:
            yield world
        finally:
            await world.stop()


async def aws_credentials(world: ProcessesWorld, user: str) -> Credentials:
    """The access key that a user of the account has from the start."""
    told = await world.control(DIRECTORY_NODE, Request("GET", "/admin/aws/credentials", {"user": user}))
    assert told.body is not None, told
    return Credentials(str(told.body["access_key_id"]), str(told.body["secret_access_key"]))


async def prime(world: ProcessesWorld) -> None:
    """Has the host fetch the machine's token; raises AssertionError when it is not served from the cache afterwards."""
    answers: list[Response] = [await world.client(HOST_NODE, token_request(), timeout_s=5.0) for _ in range(2)]
    assert all(answer.status == 200 for answer in answers), answers
    assert ";hit" in answers[-1].headers["x-brownout-trail"], answers[-1].headers


async def stack_pids(world: ProcessesWorld) -> Mapping[str, int]:
    """Every process of the stack by name: the supervisor, the nodes, Toxiproxy."""
    status: Mapping[str, Any] = await world.status()
    groups: tuple[Mapping[str, Any], ...] = (status["nodes"], status["sidecars"])
    return {"parent": status["pid"]} | {name: row["pid"] for group in groups for name, row in group.items()}
