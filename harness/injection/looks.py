"""Looks at a fault: its own observation, what its carriers hold, and the moments at which to look again.

Law: as in lifecycle, nothing is awaited here but the world's methods and a fault's verbs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.world import Carrier, World

CRASHED = "its own look failed: "
BLIND = "it could not be looked at: "
GONE = "gone"
FIRST_WAIT_S = 0.02


@dataclass(frozen=True, slots=True)
class Before:
    """The state before a fault: its carriers' readings by their texts, and the fault's own look."""

    readings: Mapping[str, Mapping[str, Any]]
    seen: Observation


@dataclass(frozen=True, slots=True)
class HealLook:
    """One look after a revert: the verdict on it, and why."""

    state: Literal["healed", "later", "not-yet"]
    evidence: str


async def look_before(world: World, fault: Fault) -> Before:
    """The state before a fault. It takes time, so it may be taken ahead of the intent.

    Raises UsageError for a target that the stack does not have, and WorldError for a carrier that cannot be read.
    """
    readings = {str(carrier): dict(await world.read(carrier)) for carrier in fault.carriers(world.spec)}
    return Before(readings, await look(world, fault))


async def look(world: World, fault: Fault) -> Observation:
    """The fault's own observation; `unclear` when the world does not answer. Raises what the fault's code raises.

    Its detail has `gone` where what would be looked at has ended, so that no later look can tell more.
    """
    return await _answered(fault.observe(world))


async def _answered(looking: Awaitable[Observation]) -> Observation:
    try:
        return await looking
    except CarrierGone as ended:
        return Observation("unclear", f"{BLIND}{ended.message}", {GONE: ended.message})
    except WorldError as error:
        return Observation("unclear", f"{BLIND}{error.message}")


async def undo_look(world: World, fault: Fault) -> Observation:
    """A look that belongs to an undo, which never depends on the fault's code: a crash of that is `unclear`."""
    return await _safe(look(world, fault))


async def _safe(looking: Awaitable[Observation]) -> Observation:
    try:
        return await _answered(looking)
    except Exception as error:
        return Observation("unclear", f"{CRASHED}{type(error).__name__}: {error}")


async def holds_on(world: World, carrier: Carrier) -> Mapping[str, Any]:
    """The carrier's holds by fault id; raises WorldError."""
    holds: Mapping[str, Any] = (await world.read(carrier))["holds"]
    return holds


async def is_held(world: World, carrier: Carrier, fault_id: str) -> tuple[bool, str]:
    """Whether the carrier holds that fault, and why it does not say, "" where it does. With its keeper a hold is gone too."""
    try:
        return fault_id in await holds_on(world, carrier), ""
    except CarrierGone:
        return False, ""
    except WorldError as error:
        return False, error.message


async def read_there(world: World, carriers: Iterable[Carrier]) -> tuple[Mapping[str, Mapping[str, Any]], str]:
    """The readings, by their texts, of the carriers that are there, and what ended that kept others; raises WorldError."""
    readings, gone = dict[str, Mapping[str, Any]](), ""
    for carrier in carriers:
        try:
            readings[str(carrier)] = await world.read(carrier)
        except CarrierGone as ended:
            gone = ended.message
    return readings, gone


def dead_node(readings: Mapping[str, Mapping[str, Any]]) -> str:
    """Which node of these carriers ended, and not by a hold; "" where none did."""
    dead = {carrier: reading for carrier, reading in readings.items() if reading.get("state") == "dead"}
    return next((f"{carrier} has ended ({reading.get('exit')})" for carrier, reading in dead.items()), "")


async def gone_with_links(world: World) -> str:
    """What ended that carries the stack's links, "" while it runs. One link stands for all: one program carries them."""
    try:
        await world.read(Carrier("link", str(world.spec.links()[0])))
    except CarrierGone as gone:
        return gone.message
    except WorldError:
        return ""  # it may only be slow
    return ""


def others_in_place(ledger: Ledger, record: FaultRecord) -> tuple[FaultRecord, ...]:
    """The other faults of the stack that may hold a carrier."""
    return tuple(row for row in ledger.open_faults(record.stack) if row.id != record.id and row.in_place)


def waits_for(ledger: Ledger, record: FaultRecord, carriers: Iterable[Carrier]) -> str:
    """What has to end before the nodes of these carriers take orders about the fault's switches, in words; "" for nothing.

    That is another fault of the stack that holds such a node itself, killed or paused, and is not being undone already.
    """
    asked = {carrier.name for carrier in carriers if carrier.kind == "control"}
    others = [row for row in others_in_place(ledger, record) if row.state != "reverting"] if asked else []
    kept = {held.name: row for row in others for held in row.carriers if held.kind == "node" and held.name in asked}
    if not kept:
        return ""
    by = dict.fromkeys(f"{row.step} ({row.id})" for row in kept.values())
    return f"tried again when {', '.join(by)} ends, which holds {', '.join(kept)}"


def is_waiting(ledger: Ledger, left: Mapping[str, Iterable[Carrier]], record: FaultRecord) -> bool:
    """Whether the fault is stuck because of another one that still keeps a node from answering.

    `left` has by fault what could not be released; a fault that is not in it is not known to wait.
    """
    return record.state == "stuck" and waits_for(ledger, record, left.get(record.id, ())) != ""


def looked_bitten_before(record: FaultRecord) -> bool:
    """Whether the effect could be seen before the fault was applied, so that no look proves anything."""
    return bool(record.baseline.get("looked") == "bitten")


def looks_as_before(record: FaultRecord, seen: Observation) -> bool:
    """Whether a look sees word for word what was seen before the apply, such as the nodes that ran a build already."""
    before = (record.baseline.get("looked"), record.baseline.get("evidence"))
    return before == (seen.state, seen.evidence) and not seen.evidence.startswith(BLIND)


async def heal_look(world: World, ledger: Ledger, record: FaultRecord, fault: Fault | None) -> HealLook:
    """One look after the release: `healed`, `not-yet`, or `later` (to be repeated once other faults are undone).

    The order of the cases matters: the first that applies decides.
    """
    try:
        readings, gone = await read_there(world, record.carriers)
    except WorldError as error:  # another fault, such as a killed node, may be the reason
        return HealLook("later" if others_in_place(ledger, record) else "not-yet", error.message)
    residue = [carrier for carrier, reading in readings.items() if record.id in reading["holds"]]
    if residue:
        return HealLook("not-yet", f"still held on {', '.join(residue)}")
    if gone:
        return HealLook("healed", f"nothing is held any more: {gone}")
    # A look would prove nothing: its code is missing, the effect lasts, or it was there before. The carriers decide.
    if fault is None or fault.lasting or looked_bitten_before(record):
        return HealLook("healed", "no carrier holds it any more; a look cannot tell more")
    beside = others_in_place(ledger, record)  # before the look: another process may undo one of them meanwhile
    seen = await _safe(fault.observe_undone(world))
    if seen.state == "absent" or looks_as_before(record, seen):
        return HealLook("healed", seen.evidence)
    if seen.evidence.startswith(CRASHED):
        return HealLook("healed", f"no carrier holds it any more; {seen.evidence}")
    # Where every link has ended, or a node by itself, each look sees what a fault would show, and always will.
    looked_at = str((seen.detail or {}).get(GONE, ""))  # a node may be looked at and carry nothing
    if ended := dead_node(readings) or looked_at or await gone_with_links(world):
        return HealLook("healed", f"no carrier holds it any more; a look cannot tell more: {ended}")
    # From here on the effect still shows, or cannot be judged. Another fault of this stack may cause it.
    if beside or others_in_place(ledger, record):
        return HealLook("later", f"released, while other faults are in place: {seen.evidence}")
    # Another program may cause it. That is outside of this ledger and never ends by waiting.
    foreign = foreign_holds(ledger, record.stack, readings)
    if foreign:
        return HealLook("healed", f"released; held by others and left alone: {', '.join(foreign)}")
    return HealLook("not-yet", f"released, yet its effect stays: {seen.evidence}")


def foreign_holds(ledger: Ledger, stack_id: str, readings: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """`carrier: id` of foreign holds: ids that are not in the stack's ledger, and what the world reports as foreign."""
    ours = {row.id for row in ledger.faults(stack_id)}
    return tuple(
        f"{carrier}: {found}"
        for carrier, reading in readings.items()
        for found in (*reading["holds"], *reading.get("foreign", ()))
        if found not in ours
    )


def moments(world: World, fault: Fault | None, patience_s: float) -> Iterator[float]:
    """Emulated times of further looks: close together at first, then further apart, none after the patience ends."""
    if patience_s <= 0:
        return
    start_s = world.now()
    wait_s = FIRST_WAIT_S * world.rate
    end_s = start_s + patience_s * world.rate + (fault.settles_s(world.spec) if fault is not None else 0.0)
    longest_s = (end_s - start_s) / 16
    while (at_s := world.now() + wait_s) <= end_s:
        yield at_s
        wait_s = min(2 * wait_s, longest_s)
