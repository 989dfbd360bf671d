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

from harness.errors import BrownoutError, StackGone, UsageError, WorldError
from harness.experiment import Experiment, Posture
from harness.experiment_file import find, load
from harness.healing import load_entry
from harness.ledger import Ledger, StackRecord
from harness.plan import posture_of
from harness.stack import build_stack
from harness.stack_file import StackFile, make_stack_file, write_stack_file
from harness.state import ledger_path, stack_dir
from harness.world import Carrier, LiveWorld
from harness.worlds.catalog import WORLDS, live_world
from identity.core.messages import Request

DEFAULT_EXPERIMENT = "ftvr-l9z"
USER_TOKEN_LIFETIME_S = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack that was just brought up; `ready_s` is how long that took in real seconds."""

    stack: str
    nodes: int
    ready_s: float


def bring_up(*, world: str, posture: str, seed: int, rate: float, stack_file: Path) -> Standing:
    """Brings a stack up, leaves it up and writes its stack file; raises BrownoutError, leaving nothing behind."""
    settings = _posture_settings(posture)
    if not stack_file.absolute().parent.is_dir():
        raise UsageError(f"{stack_file.absolute().parent} is no folder", hint="name another --stack-file")
    spec = build_stack(seed=seed, settings=settings, control_token=secrets.token_urlsafe(24))
    stack_id = f"up-{secrets.token_hex(4)}"
    kind = live_world(world)
    kind.prepare(lambda line: print(line, file=sys.stderr))  # noqa: T201 - what is used is told
    started_s = time.monotonic()
    made = kind.create(spec, folder=stack_dir(stack_id), epoch_s=time.time(), rate=rate)
    with Ledger(ledger_path()) as ledger:
        ledger.add_stack(stack_id, folder=made.folder, world=WORLDS[world].entry, run_owned=False)
        try:
            ready_s = asyncio.run(_start(stack_id, made, started_s, stack_file))
        except BaseException:
            if not made.alive():
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


async def _start(stack_id: str, world: LiveWorld, started_s: float, stack_file: Path) -> float:
    """Brings the stack up and writes its file; how long the former took. Whatever goes wrong, the stack is down then."""
    await world.start()
    ready_s = time.monotonic() - started_s
    try:
        write_stack_file(stack_file, await _content(stack_id, world))
    except BaseException:
        await world.stop()
        raise
    return ready_s


async def _content(stack_id: str, world: LiveWorld) -> StackFile:
    request = Request("POST", "/admin/user-token", body={"lifetime_s": USER_TOKEN_LIFETIME_S})
    answer = await world.control(f"{world.spec.home_region}.directory", request)
    if not answer.ok or answer.body is None:
        raise WorldError(f"the directory made no user token ({answer.status})")
    return make_stack_file(
        stack_id,
        world.spec,
        world=world.name,
        urls=world.urls(),
        control=world.control_urls(),
        toxiproxy_url=world.toxiproxy_url(),
        user_token=str(answer.body["access_token"]),
        clock=world.clock_record(),
    )


def stacks() -> tuple[StackRecord, ...]:
    """The stacks that the ledger knows as up, oldest first."""
    if not ledger_path().exists():
        return ()
    with Ledger(ledger_path()) as ledger:
        return ledger.stacks()


async def describe(row: StackRecord) -> dict[str, Any]:
    """A stack as it is: its nodes with state, build and key ids, and the faults in place. A dead one has no nodes."""
    with Ledger(ledger_path()) as ledger:
        faults = [{"id": f.id, "kind": f.kind, "step": f.step, "state": f.state} for f in ledger.open_faults(row.id)]
    nodes = await _nodes(row)
    state = "up" if nodes else "dead"
    return {"stack": row.id, "state": state, "folder": str(row.folder), "nodes": nodes, "faults": faults}


def _attach(row: StackRecord) -> LiveWorld:
    found: LiveWorld = load_entry(row.world).attach(row.folder)
    return found


async def _nodes(row: StackRecord) -> list[dict[str, Any]]:
    try:
        world = _attach(row)
    except StackGone:
        return []
    if not world.alive():
        return []
    status = await world.status()
    return [await _node(world, name, entry) for name, entry in status["nodes"].items()]


async def _node(world: LiveWorld, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {"node": name, "state": entry["state"], "pid": entry.get("pid")}
    try:
        state = await world.read(Carrier("control", name))
    except BrownoutError:
        return found  # its process state says why it does not answer
    return found | {key: state[key] for key in ("build", "store_keys") if key in state}


async def tear_down(row: StackRecord) -> str:
    """Takes a stack away and closes it in the ledger; a line that says so. Raises WorldError when something does not end."""
    try:
        await _attach(row).stop()
        told = f"stack {row.id} is down"
    except StackGone as gone:
        told = f"stack {row.id}: {gone.message}"
    with Ledger(ledger_path()) as ledger:
        ledger.close_stack(row.id)
    return told
