"""The metrics of the stacks that are up: nodes, builds, keys, and the faults that the ledger knows.

Each time anew, because a stack is looked at when it is broken. Only control planes are asked, and no surface that clients use:
a measured run gets no request more. All stacks are asked at once, and one that does not answer is told as down.

A fault counts as in place while the ledger says so and its carriers hold it. One that another program took away does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.operate.stacks import resolve_stack, stacks
from brownout.harness.operate.status import NodeView, nodes_of, seen_now
from brownout.harness.telemetry.samples import (
    FaultSeries,
    KeySeries,
    MetricsSnapshot,
    NodeSeries,
    StackSeries,
    merged,
    target_of,
)
from brownout.harness.world import LiveWorld, Survey

MOST_FAULTS = 200  # of a stack, the newest


@dataclass(frozen=True, slots=True)
class _Seen:
    stack: StackSeries
    nodes: tuple[NodeView, ...] = ()
    faults: tuple[FaultSeries, ...] = ()


def stacks_snapshot(stack: str = "") -> MetricsSnapshot:
    """What there is to tell of that stack, or of all of them with ""; raises UsageError where there is no such stack.

    Not for a thread in which an event loop runs.
    """
    rows = [resolve_stack(stack, for_="look")] if stack else stacks()
    seen = asyncio.run(_all(rows))
    return MetricsSnapshot(
        stacks=tuple(one.stack for one in seen),
        nodes=tuple(NodeSeries(node.node, node.build, _is_up(node), one.stack.stack) for one in seen for node in one.nodes),
        keys=tuple(dict.fromkeys(key for one in seen for node in one.nodes for key in _keys(one.stack.stack, node))),
        faults=tuple(fault for one in seen for fault in one.faults),
    )


async def _all(rows: Iterable[StackRecord]) -> list[_Seen]:
    return list(await asyncio.gather(*(_look(row) for row in rows)))


async def _look(row: StackRecord) -> _Seen:
    up, down = StackSeries(row.id, row.world, up=True), StackSeries(row.id, row.world, up=False)
    try:
        world = world_of(row)
        if not world.alive():
            return _Seen(down)
        seen = await world.survey(switches=True)
        nodes, faults = await asyncio.gather(nodes_of(world), _faults(row, world, seen))
    except (StackGone, WorldError):
        return _Seen(down)
    return _Seen(up, nodes, faults)


async def _faults(row: StackRecord, world: LiveWorld, seen: Survey) -> tuple[FaultSeries, ...]:
    with Ledger(ledger_path()) as ledger:
        known = ledger.faults(row.id)[-MOST_FAULTS:]
        began = [{state for state, _, _ in ledger.transitions(fault.id)} for fault in known]
    found = []
    for fault, states in zip(known, began, strict=True):
        if "applied" in states:
            now = await seen_now(fault, world, seen, look=False)
            found.append(_series(fault, active=fault.in_place and now.state != "lost", bitten="bitten" in states))
    return merged(found)


def _series(fault: FaultRecord, *, active: bool, bitten: bool) -> FaultSeries:
    target = target_of(carrier.name for carrier in fault.carriers)
    return FaultSeries(fault.kind, fault.step, target, "fault", active, bitten, fault.stack)


def _is_up(node: NodeView) -> bool:
    return node.state == "running"


def _keys(stack: str, node: NodeView) -> Iterable[KeySeries]:
    return (KeySeries(node.node, key.does, key.key_id, key.kind, key.region, stack) for key in node.keys)
