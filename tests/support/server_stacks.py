"""Stacks for the server tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack

MACHINES = {
    "web": {"region": "sydney", "count": 13},
    "south": {"region": "melbourne", "count": 8},
    "batch": {"region": "sydney", "identities": ["batch-id", "reports-id"]},
    "scaleout": {"region": "sydney", "scale_set": True},
}


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up, and the loop in which to talk to it."""

    world: ProcessesWorld
    runner: asyncio.Runner
    ready_s: float

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)


def make_world(folder: Path, binary: Path, **settings: Any) -> ProcessesWorld:
    """A world over a two-region stack, not started; its clock will show the real time."""
    spec = build_stack(seed=11, settings=settings, machines=MACHINES)
    return ProcessesWorld(spec, folder=folder, epoch_s=time.time(), rate=1.0, toxiproxy_binary=binary)


def session_members(leader: int) -> list[str]:
    """Every living process of the session that `leader` made: the stack's own and no others."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().split(" ", 1)[1].rsplit(") ", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, session = fields.split()[:4]
        if int(session) == leader and state != "Z":
            found.append(f"{stat.parent.name}{name}")
    return found


def daemon_pid(world: ProcessesWorld) -> int:
    standing = world._stack
    assert standing is not None
    return standing.daemon.pid
