"""The status of a standing stack: nodes, builds, keys, faults in place, and the good share of its clients.

All nodes are asked at once, each time anew and with a short time-out, because people look at a stack when it is broken. A node
that does not answer in time is shown as silent and delays nothing.

The good share comes from the load if one runs on the stack, else from a few probes. It is only as good as the number of
requests, which is shown with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError, StackGone, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.operate.good_share import GoodShare, Probes, load_share
from brownout.harness.world import LiveWorld
from brownout.identity.core.messages import Request

PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key at a node. `does`: the node `uses` it for a region's store, `accepts` or `refuses` it, `signs` or `trusts` with it.

    `kind` is empty where keys have no kinds.
    """

    does: Literal["uses", "accepts", "refuses", "signs", "trusts"]
    key_id: str
    kind: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node. `state` is its process's state, or `silent` when the process runs and the control plane does not answer."""

    node: str
    state: str
    pid: int | None
    build: str = ""
    keys: tuple[KeyView, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultView:
    """An open fault. Times are wall clock seconds; `kept_by` names its owner in words.

    `step` is its name in the experiment, or its kind when it was injected by hand.
    """

    id: str
    step: str
    kind: str
    describe: str
    state: str
    since_s: float
    until_s: float
    kept_by: str


@dataclass(frozen=True, slots=True)
class StackView:
    """A stack. One whose processes have ended is `dead` and has no nodes. `good` by cohort and operation, from `source`."""

    stack: str
    world: str
    state: Literal["up", "dead"]
    folder: str
    run_owned: bool
    nodes: tuple[NodeView, ...]
    faults: tuple[FaultView, ...]
    source: Literal["load", "probes", "none"] = "none"
    good: tuple[GoodShare, ...] = ()


async def overview(row: StackRecord, probes: Probes) -> StackView:
    """The status of that stack; `probes` give the good share if no load runs on it."""
    faults = _faults(row)
    try:
        world = world_of(row)
    except StackGone:
        return StackView(row.id, row.world, "dead", str(row.folder), row.run_owned, (), faults)
    if not world.alive():
        return StackView(row.id, world.name, "dead", str(row.folder), row.run_owned, (), faults)
    nodes, (source, good) = await asyncio.gather(_nodes(world), _good(row, world, probes))
    return StackView(row.id, world.name, "up", str(row.folder), row.run_owned, nodes, faults, source, good)


async def _good(
    row: StackRecord, world: LiveWorld, probes: Probes
) -> tuple[Literal["load", "probes", "none"], tuple[GoodShare, ...]]:
    found = load_share(row.folder / "load", world)
    if found:
        return "load", found
    if row.run_owned:  # probes would add requests to a measured run, whose load is logged in its run folder
        return "none", ()
    return "probes", await probes.share(row.id, world)


def _faults(row: StackRecord) -> tuple[FaultView, ...]:
    with Ledger(ledger_path()) as ledger:
        return tuple(_fault(ledger, fault) for fault in ledger.open_faults(row.id))


def _fault(ledger: Ledger, fault: FaultRecord) -> FaultView:
    since_s = {state: wall_s for state, wall_s, _ in ledger.transitions(fault.id)}
    return FaultView(
        id=fault.id,
        step=fault.step,
        kind=fault.kind,
        describe=_describe(fault),
        state=fault.state,
        since_s=since_s.get("applied", since_s["intended"]),
        until_s=time.time() + fault.deadline_s - time.monotonic(),
        kept_by=_kept_by(fault),
    )


def _describe(fault: FaultRecord) -> str:
    try:
        return plugins.fault(fault.kind, fault.params).describe()
    except UsageError:
        return f"{fault.kind}, whose code is not installed"


def _kept_by(fault: FaultRecord) -> str:
    if fault.by_hand:
        return "left by hand"
    if fault.holder is None:
        return "a run"
    return f"process {fault.holder.pid}" if fault.holder.alive() else "no owner"


async def _nodes(world: LiveWorld) -> tuple[NodeView, ...]:
    nodes: Mapping[str, Mapping[str, Any]] = (await world.status())["nodes"]
    return tuple(await asyncio.gather(*(_node(world, name, entry) for name, entry in nodes.items())))


async def _node(world: LiveWorld, name: str, entry: Mapping[str, Any]) -> NodeView:
    state, pid = str(entry["state"]), entry.get("pid")
    if state != "running":
        return NodeView(name, state, pid)
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await world.control(name, Request("GET", "/admin/state"))
    except (BrownoutError, TimeoutError):
        return NodeView(name, "silent", pid)
    body = answer.body or {}
    return NodeView(name, state, pid, str(body.get("build", "")) if "config" in body else "", keys_of(body))


def keys_of(state: Mapping[str, Any]) -> tuple[KeyView, ...]:
    """The keys in a node's report of its state (docs/design.md, the control plane of a node)."""
    uses = tuple(KeyView("uses", key["key_id"], key["kind"], region) for region, key in state.get("store_keys", {}).items())
    ring: Sequence[Mapping[str, Any]] = state.get("keys", ())
    rings = tuple(KeyView("accepts" if key["valid"] else "refuses", key["key_id"], key["kind"]) for key in ring)
    signs = (KeyView("signs", str(state["signing_key_id"])),) if "signing_key_id" in state else ()
    return uses + rings + signs + tuple(KeyView("trusts", key_id) for key_id in state.get("key_ids", ()))
