"""Stacks that stay up between commands: bringing one up, describing it, taking it away."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BrownoutError, UsageError, WorldError
from harness.experiment import Experiment, Posture
from harness.experiment_file import find, load
from harness.ledger import Ledger, StackRecord
from harness.plan import posture_of
from harness.processes_run import WORLD_ENTRY
from harness.stack import build_stack
from harness.stack_file import StackFile, make_stack_file, write_stack_file
from harness.state import ledger_path, stack_dir
from harness.tools import toxiproxy_server
from harness.world import Carrier
from harness.worlds.processes import ProcessesWorld
from identity.core.messages import Request

DEFAULT_EXPERIMENT = "ftvr-l9z"
USER_TOKEN_LIFETIME_S = 30 * 24 * 3600.0
READY_LOOKS, READY_WAIT_S = 200, 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack that was just brought up; `ready_s` is how long that took in real seconds."""

    stack: str
    nodes: int
    ready_s: float


def bring_up(*, posture: str, seed: int, rate: float, stack_file: Path) -> Standing:
    """Brings a stack up, leaves it up and writes its stack file; raises BrownoutError, leaving nothing behind."""
    settings = _posture_settings(posture)
    if not stack_file.absolute().parent.is_dir():
        raise UsageError(f"{stack_file.absolute().parent} is no folder", hint="name another --stack-file")
    spec = build_stack(seed=seed, settings=settings, control_token=secrets.token_urlsafe(24))
    stack_id = f"up-{secrets.token_hex(4)}"
    binary = toxiproxy_server(say=lambda line: print(line, file=sys.stderr))  # noqa: T201 - what is used is told
    started_s = time.monotonic()
    world = ProcessesWorld(spec, folder=stack_dir(stack_id), epoch_s=time.time(), rate=rate, toxiproxy_binary=binary)
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack(stack_id, folder=world.folder, world=WORLD_ENTRY, run_owned=False)
        try:
            content, ready_s = asyncio.run(_start(stack_id, world, started_s))
            write_stack_file(stack_file, content)
        except BaseException:
            asyncio.run(world.stop())
            ledger.close_stack(stack_id)
            raise
    return Standing(stack_id, len(spec.nodes()), ready_s)


def _posture_settings(text: str) -> Mapping[str, Any]:
    """The settings of `POSTURE` (of the bundled experiment) or `EXPERIMENT:POSTURE`; none when empty."""
    if not text:
        return {}
    name, _, posture = text.rpartition(":")
    experiment: Experiment = load(find(name or DEFAULT_EXPERIMENT))
    chosen: Posture = posture_of(experiment, posture)[1]
    return {**experiment.settings, **chosen.settings}


async def _start(stack_id: str, world: ProcessesWorld, started_s: float) -> tuple[StackFile, float]:
    await world.start()
    await _await_ready(world)
    ready_s = time.monotonic() - started_s
    request = Request("POST", "/admin/user-token", body={"lifetime_s": USER_TOKEN_LIFETIME_S})
    answer = await world.control(f"{world.spec.home_region}.directory", request)
    content = make_stack_file(
        stack_id,
        world.spec,
        world=world.name,
        urls=world.urls(),
        control=world.control_urls(),
        toxiproxy_url=world.toxiproxy_url(),
        user_token=str((answer.body or {}).get("access_token", "")),
        clock=world.clock_record(),
    )
    return content, ready_s


async def _await_ready(world: ProcessesWorld) -> None:
    waiting = list(world.spec.nodes())
    for _ in range(READY_LOOKS):
        answers = {node: await world.control(node, Request("GET", "/healthz")) for node in waiting}
        waiting = [node for node, answer in answers.items() if not (answer.body or {}).get("ready")]
        if not waiting:
            return
        await asyncio.sleep(READY_WAIT_S)
    raise WorldError(f"these nodes never got ready: {', '.join(waiting)}")


def stacks() -> tuple[StackRecord, ...]:
    """The stacks that the ledger knows as up, oldest first."""
    if not ledger_path().exists():
        return ()
    with Ledger(ledger_path()) as ledger:
        return ledger.stacks()


async def describe(row: StackRecord) -> dict[str, Any]:
    """A stack as it is: its nodes with state, build and key ids, and the faults in place."""
    with Ledger(ledger_path()) as ledger:
        faults = [{"id": f.id, "kind": f.kind, "step": f.step, "state": f.state} for f in ledger.open_faults(row.id)]
    world = ProcessesWorld.attach(row.folder)
    status = await world.status()
    nodes = [await _node(world, name, entry) for name, entry in status["nodes"].items()]
    return {"stack": row.id, "world": world.name, "folder": str(row.folder), "nodes": nodes, "faults": faults}


async def _node(world: ProcessesWorld, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {"node": name, "state": entry["state"], "pid": entry.get("pid")}
    try:
        state = await world.read(Carrier("control", name))
    except BrownoutError:
        return found  # its process state says why it does not answer
    return found | {key: state[key] for key in ("build", "store_keys") if key in state}


async def tear_down(row: StackRecord) -> str:
    """Takes a stack away and closes it in the ledger; a line that says so."""
    try:
        await ProcessesWorld.attach(row.folder).stop()
        told = f"stack {row.id} is down"
    except WorldError as gone:
        told = f"stack {row.id}: {gone.message}"
    with Ledger(ledger_path()) as ledger:
        ledger.close_stack(row.id)
    return told
