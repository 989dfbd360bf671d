"""What benchmarks stand on: a state folder of their own, a stack that is up, and what Linux says of processes."""

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

from harness.stack import build_stack
from harness.state import tools_dir
from harness.tools import TOXIPROXY_PROGRAM, toxiproxy_server
from harness.worlds.processes import ProcessesWorld
from identity.core.messages import Request, Response

ROOT = Path(__file__).resolve().parent.parent
SEED = 1
HOST_NODE, MACHINE = "sydney.host", "web-1"
RESOURCE = "https://vault.azure.net"
TOKEN_PATH = f"/{MACHINE}/metadata/identity/oauth2/token"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Home:
    """A state folder that lives as long as one benchmark, and the Toxiproxy that was there before."""

    folder: Path
    toxiproxy: Path

    def world(self, name: str) -> ProcessesWorld:
        """A two-region stack at rate 1 that is not up yet."""
        spec = build_stack(seed=SEED)
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


async def prime(world: ProcessesWorld) -> None:
    """Has the host fetch the machine's token; raises AssertionError when it is not served from the cache afterwards."""
    answers: list[Response] = [await world.client(HOST_NODE, token_request(), timeout_s=5.0) for _ in range(2)]
    assert all(answer.status == 200 for answer in answers), answers
    assert ";hit" in answers[-1].headers["x-brownout-trail"], answers[-1].headers


def token_request() -> Request:
    """What a machine asks its IMDS."""
    return Request("GET", TOKEN_PATH, {"api-version": "2018-02-01", "resource": RESOURCE}, {"metadata": "true"})


def raw_token_request(address: str) -> bytes:
    """The same as bytes for a kept connection."""
    target = f"{TOKEN_PATH}?api-version=2018-02-01&resource={RESOURCE}"
    return f"GET {target} HTTP/1.1\r\nhost: {address}\r\nmetadata: true\r\n\r\n".encode()


def address_of(url: str) -> tuple[str, int]:
    """Host and port of `http://host:port`."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


async def stack_pids(world: ProcessesWorld) -> Mapping[str, int]:
    """Every process of the stack by name: the parent of all, the nodes, Toxiproxy."""
    status: Mapping[str, Any] = await world.status()
    groups: tuple[Mapping[str, Any], ...] = (status["nodes"], status["companions"])
    return {"parent": status["pid"]} | {name: row["pid"] for group in groups for name, row in group.items()}


def memory_bytes(pid: int, kind: str) -> int:
    """`Pss` (shared pages divided among those who share them) or `Rss` of a process; raises FileNotFoundError."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith(f"{kind}:"))


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
