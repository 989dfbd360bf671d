"""The status of a standing stack: nodes, builds, keys, faults in place, and the good share of its clients.

What is shown is what is seen now. All nodes are asked at once, each time anew and with a short time-out, because people look
at a stack when it is broken: a node that does not answer in time is shown as silent and delays nothing. Of a fault the ledger
says what was once seen; beside it stands what its carriers hold and its own look sees now (`SeenNow`). What other programs did
to the stack is named.

The good share comes from the load if one runs on the stack, else from a few probes. It is only as good as the number of
requests, which is shown with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError, StackGone, UsageError, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.looks import undo_look
from brownout.harness.injection.recovery import world_of
from brownout.harness.operate.loads.good_share import GoodShare, Probes, load_share
from brownout.harness.world import LiveWorld, Survey
from brownout.identity.core.messages import Request

PATIENCE_S = 2.0
LOOK_TIMEOUT_S = 4.0


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
class SeenNow:
    """A fault as it is seen now, not as the ledger says.

    `bites` and `absent`: its own look sees the effect, or does not. `held`: its carriers hold it, and no look was taken.
    `lost`: a carrier does not hold it. `unclear`: something did not answer. `evidence` says what was seen.
    """

    state: Literal["bites", "absent", "held", "lost", "unclear"]
    evidence: str


@dataclass(frozen=True, slots=True)
class FaultView:
    """An open fault. Times are wall clock seconds; `kept_by` names its owner in words.

    `state` is the ledger's, `now` is what is seen.
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
    now: SeenNow


@dataclass(frozen=True, slots=True)
class StackView:
    """A stack. `good` by cohort and operation, from `source`. `use` says in words whose stack it is, "" for a standing one.

    One whose processes have ended is `dead`, one that does not answer is `silent`; both have no nodes, and `problem` says what
    is wrong. `foreign` names what was not done by Brownout, or by no fault that the ledger knows. `vendors` are those of
    one that answers.
    """

    stack: str
    world: str
    state: Literal["up", "dead", "silent"]
    folder: str
    run_owned: bool
    nodes: tuple[NodeView, ...]
    faults: tuple[FaultView, ...]
    source: Literal["load", "probes", "none"] = "none"
    good: tuple[GoodShare, ...] = ()
    foreign: tuple[str, ...] = ()
    problem: str = ""
    use: str = ""
    vendors: tuple[str, ...] = ()


async def overview(row: StackRecord, probes: Probes) -> StackView:
    """The status of that stack; `probes` give the good share if no load runs on it. Raises no WorldError: it is in the view."""
    try:
        world = world_of(row)
        if not world.alive():
            return _without_nodes(row, "dead", "its processes have ended")
        seen = await world.survey()
        nodes, faults = await asyncio.gather(nodes_of(world), _faults(row, world, seen))
        source, good = await _good(row, world, probes)
    except StackGone:
        return _without_nodes(row, "dead", "its processes have ended")
    except WorldError as error:
        return _without_nodes(row, "silent", error.message)
    foreign = (*seen.foreign, *_foreign_holds(row, seen))
    problem = "; ".join(text for text in seen.silent if text.startswith("links:"))
    return StackView(
        row.id,
        world.name,
        "up",
        str(row.folder),
        row.run_owned,
        nodes,
        faults,
        source,
        good,
        foreign,
        problem,
        _use(row),
        world.spec.vendors,
    )


def _without_nodes(row: StackRecord, state: Literal["dead", "silent"], problem: str) -> StackView:
    with Ledger(ledger_path()) as ledger:
        unseen = SeenNow("unclear", problem)
        faults = tuple(_fault(ledger, fault, unseen) for fault in ledger.open_faults(row.id))
    return StackView(row.id, row.world, state, str(row.folder), row.run_owned, (), faults, problem=problem, use=_use(row))


def _use(row: StackRecord) -> str:
    if row.run_owned:
        return "in use by a run" if row.owner.alive() else "its run died, `brownout down` takes it away"
    return "still coming up" if row.owner.alive() else ""


def _foreign_holds(row: StackRecord, seen: Survey) -> Iterator[str]:
    """Holds of no open fault of the ledger."""
    with Ledger(ledger_path()) as ledger:
        opened = {fault.id for fault in ledger.open_faults(row.id)}
    for carrier, holds in sorted(seen.holds.items()):
        yield from (f"{carrier}: a hold of no fault in the ledger, {fault_id}" for fault_id in holds if fault_id not in opened)


async def _good(
    row: StackRecord, world: LiveWorld, probes: Probes
) -> tuple[Literal["load", "probes", "none"], tuple[GoodShare, ...]]:
    found = load_share(row.folder / "load", world)
    if found:
        return "load", found
    if row.run_owned:  # probes would add requests to a measured run, whose load is logged in its run folder
        return "none", ()
    return "probes", await probes.share(row.id, world)


async def _faults(row: StackRecord, world: LiveWorld, seen: Survey) -> tuple[FaultView, ...]:
    with Ledger(ledger_path()) as ledger:
        opened = ledger.open_faults(row.id)
        # A look sends requests of its own, which a measured run must not get.
        looks = await asyncio.gather(*(seen_now(fault, world, seen, look=not row.run_owned) for fault in opened))
        return tuple(_fault(ledger, fault, now) for fault, now in zip(opened, looks, strict=True))


async def seen_now(fault: FaultRecord, world: LiveWorld, seen: Survey, *, look: bool) -> SeenNow:
    """The fault by what its carriers hold in `seen`, and by its own look when `look`, which sends requests."""
    silent = [
        text for carrier in fault.carriers for text in seen.silent if text.startswith((f"{carrier}:", f"{carrier.kind}s:"))
    ]
    if silent:
        return SeenNow("unclear", "; ".join(silent))
    lacking = [str(carrier) for carrier in fault.carriers if fault.id not in seen.holds.get(carrier, {})]
    if lacking and fault.in_place:
        return SeenNow("lost", f"not held by {', '.join(lacking)}")
    if not look or not fault.in_place:
        return SeenNow("held" if fault.in_place else "unclear", "no look was taken")
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            found = await undo_look(world, plugins.fault(fault.kind, fault.params))
    except (BrownoutError, TimeoutError) as error:
        return SeenNow("unclear", str(error) or f"its look takes longer than {LOOK_TIMEOUT_S:g} s")
    states: Mapping[str, Literal["bites", "absent", "unclear"]] = {"bitten": "bites", "absent": "absent"}
    return SeenNow(states.get(found.state, "unclear"), found.evidence)


def _fault(ledger: Ledger, fault: FaultRecord, now: SeenNow) -> FaultView:
    since_s = {state: wall_s for state, wall_s, _ in ledger.transitions(fault.id)}
    return FaultView(
        id=fault.id,
        step=fault.step,
        kind=fault.kind,
        describe=_describe(fault),
        state=fault.state,
        since_s=since_s.get("applied", min(since_s.values(), default=time.time())),  # none where a damaged ledger lost them
        until_s=time.time() + fault.deadline_s - time.monotonic(),
        kept_by=_kept_by(fault),
        now=now,
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


async def nodes_of(world: LiveWorld) -> tuple[NodeView, ...]:
    """Every node as it is now; raises WorldError when the world cannot tell."""
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
