"""Healing what a dead process left behind: every command does it first, the guardian does it when an owner has died.

The order is always the same: raise the stack's epoch (from then on its old owner can only undo), revert every open fault,
and, once that owner is dead, sweep its carriers for a hold that it still put in place after the ledger had closed the row.
A failed undo is never dropped: the row stays `stuck`, the command ends as left unsafe, and the next one tries again.

A standing stack has no owner, and each of its faults has an owner of its own: a command in the foreground, or none and a
deadline. There only unowned faults are reverted, and the epoch stays, because other owners go on working.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from brownout.harness.base.statedir import discard_stack_dir
from brownout.harness.errors import LeftUnsafe, StackGone, UsageError, WorldError
from brownout.harness.injection.lease import read_lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import CLOSED, FaultRecord, StackRecord
from brownout.harness.injection.lifecycle import LifeCycle, Make, Reverted, Tell
from brownout.harness.injection.notices import ActFailed, BiteMissing, BiteSeen, Notice, UndoStep
from brownout.harness.world import LiveWorld, World
from brownout.harness.worlds.catalog import live_world

GRACE_S = 600.0
HOLDER_SLACK_S = 5.0  # a living command reverts its fault at the deadline by itself; so much later it is taken for hung

Attach = Callable[[StackRecord], Awaitable[World]]
Note = Callable[[str], None]
log = logging.getLogger("healing")


@dataclass(frozen=True, slots=True)
class Healed:
    """What healing one stack came to: fault ids by how they ended; `problem` is empty when nothing is left.

    `gone`: the stack did not exist any more. `swept`: `carrier: id` of late holds that were found and released.
    `released`: held by nothing any more, while other faults that stay in place hide whether they are healed.
    `took_s`: network seconds until each was seen to be healed, where that was seen.
    """

    stack: str
    healed: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    gone: bool = False
    taken_down: bool = False
    problem: str = ""
    released: tuple[str, ...] = ()
    took_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return not self.stuck and not self.problem


async def attach_world(stack: StackRecord) -> World:
    """The world of a stack that runs.

    Raises StackGone when the stack does not run any more (what is left of a broken one is taken away first), WorldError
    when it cannot be reached.
    """
    if not stack.folder.is_dir():
        raise StackGone(f"stack {stack.id} has no folder any more")
    world = world_of(stack)
    if not world.alive():
        await world.stop()
        raise StackGone(f"stack {stack.id} is dead")
    return world


def world_of(stack: StackRecord) -> LiveWorld:
    """The world of a stack, also of one whose processes have ended; raises StackGone, and WorldError for an unknown world."""
    try:
        kind = live_world(stack.world)
    except UsageError as unknown:
        hint = "install the package that adds it, or take the stack away with the version that brought it up"
        raise WorldError(f"stack {stack.id} runs in the world {stack.world!r}, which is not installed", hint=hint) from unknown
    return kind.attach(stack.folder)


def load_entry(entry: str) -> Any:
    """The object that `module:name` names; raises WorldError."""
    module, _, name = entry.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise WorldError(f"{entry!r} cannot be loaded: {error}") from error


async def heal_leftovers(ledger: Ledger, attach: Attach, make: Make, *, grace_s: float = GRACE_S) -> tuple[Healed, ...]:
    """What every command does first: reverts the faults without an owner, which is dead, has lost its lease or has let its
    fault's deadline pass.

    Stacks that are gone are closed; a run's stack is taken down `grace_s` after its owner was first found dead. Returns
    one entry per stack that needed anything. Every stack is tried before LeftUnsafe is raised for what could not be undone.
    """
    told = [await _heal_leftover(ledger, stack, attach, make, grace_s) for stack in ledger.stacks()]
    healed = tuple(found for found in told if found is not None)
    require_whole(healed)
    return healed


def require_whole(healed: Sequence[Healed]) -> None:
    """Raises LeftUnsafe for what could not be undone."""
    unsafe = [f"stack {found.stack}: {', '.join(found.stuck)} {found.problem}" for found in healed if not found.whole]
    if unsafe:
        raise LeftUnsafe(
            "faults could not be reverted: " + "; ".join(unsafe),
            hint="`brownout heal` tries again; `brownout down` takes the stack away and its faults with it",
        )


async def _heal_leftover(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, grace_s: float) -> Healed | None:
    """Heals one stack; None when it needs nothing."""
    lease, alive = read_lease(stack.folder), stack.owner.alive()
    renewed = lease is None or not (lease.lapsed() or lease.released)
    if alive and renewed:
        return None
    orphaned_for_s = 0.0 if alive else time.time() - ledger.mark_orphaned(stack.id)
    if stack.run_owned and orphaned_for_s > grace_s:
        return await take_down(ledger, stack, attach, make)
    if not stack.run_owned and stack.folder.is_dir():
        return await _heal_standing(ledger, stack, attach, make)
    if not stack.folder.is_dir() or ledger.open_faults(stack.id) or _to_sweep(ledger, stack):
        return await heal_stack(ledger, stack, attach, make)
    return None


async def _heal_standing(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make) -> Healed | None:
    unowned = unowned_faults(ledger.open_faults(stack.id))
    if not unowned and not _to_sweep(ledger, stack):
        return None
    healed = await heal_stack(ledger, stack, attach, make, only=unowned)
    return healed if unowned or healed.swept or healed.gone or not healed.whole else None  # a sweep that found nothing is none


def unowned_faults(faults: Sequence[FaultRecord], now_s: float | None = None) -> tuple[str, ...]:
    """Of the open faults of a stack without an owner the ids of those that have no owner of their own any more."""
    at_s = time.monotonic() if now_s is None else now_s
    return tuple(fault.id for fault in faults if not _is_owned(fault, faults, at_s))


def _is_owned(fault: FaultRecord, faults: Sequence[FaultRecord], now_s: float) -> bool:
    if fault.holder is not None and fault.holder.alive():
        return not fault.overdue(now_s - HOLDER_SLACK_S)
    if fault.state == "reverted":  # it holds nothing; its heal is looked for once no other fault hides it
        return any(other.in_place for other in faults)
    return fault.by_hand and fault.state in ("applied", "bitten") and not fault.overdue(now_s)


def _to_sweep(ledger: Ledger, stack: StackRecord) -> bool:
    """True when a dead process may have left a hold behind that was not looked for since."""
    return not stack.swept and bool(ledger.faults(stack.id)) and not _may_apply(ledger, stack)


def _may_apply(ledger: Ledger, stack: StackRecord) -> bool:
    """True while a living process may be in the middle of an apply."""
    holders = (fault.holder for fault in ledger.faults(stack.id))
    return stack.owner.alive() or any(holder is not None and holder.alive() for holder in holders)


async def heal_stack(
    ledger: Ledger,
    stack: StackRecord,
    attach: Attach,
    make: Make,
    *,
    only: Collection[str] | None = None,
    note: Note = log.info,
) -> Healed:
    """Fences the stack's owner off and reverts everything that is open on it. May run twice, and beside another undo.

    With `only` those faults are reverted, and no owner is fenced off. Raises no WorldError: what could not be undone is
    `stuck`, and why is in `problem`.
    """
    if only is None:
        ledger.take_over(stack.id)
    try:
        world = await attach(stack)
    except StackGone as gone:
        note(f"{stack.id}: {gone.message}")
        return _close_gone(ledger, stack)
    except WorldError as error:
        return _all_stuck(ledger, stack, only, error.message)
    life = LifeCycle(world, ledger, stack.id, teller(note), make=make)
    ended = await life.revert_all(only)
    swept, problem = await _sweep(ledger, stack, life)
    tried = {end.fault_id for end in ended}
    if not any(fault.in_place for fault in ledger.open_faults(stack.id) if fault.id not in tried):
        return _healed(stack.id, ended, swept, problem)
    # Faults of other owners stay in place. They may hide a heal and put off the sweep; both are made up for once they end.
    released = tuple(end.fault_id for end in ended if end.state == "reverted")
    return replace(_healed(stack.id, [end for end in ended if end.state != "reverted"], swept, ""), released=released)


async def take_down(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, *, note: Note = log.info) -> Healed:
    """Reverts what is open, then stops the whole stack and closes its rows. Raises no WorldError, as heal_stack."""
    healed = await heal_stack(ledger, stack, attach, make, note=note)
    if healed.gone:
        return healed
    try:
        await (await attach(stack)).stop()
        discard_stack_dir(stack.folder, keep_logs=True)
    except StackGone:
        note(f"{stack.id}: it went away by itself")
    except WorldError as error:
        return Healed(stack.id, healed.healed, healed.stuck, problem=f"it cannot be taken down: {error.message}")
    ledger.close_stack(stack.id)
    note(f"{stack.id}: taken down, its owner is dead")
    return Healed(stack.id, healed=(*healed.healed, *healed.stuck), swept=healed.swept, taken_down=True)


async def _sweep(ledger: Ledger, stack: StackRecord, life: LifeCycle) -> tuple[tuple[str, ...], str]:
    """Sweeps once the owner and every holder are dead: one that lives may still be in the middle of an apply."""
    if _may_apply(ledger, stack):
        return (), ""
    try:
        swept = await life.sweep()
    except WorldError as error:
        return (), f"the sweep failed: {error.message}"
    ledger.mark_swept(stack.id)
    return swept, ""


def _close_gone(ledger: Ledger, stack: StackRecord) -> Healed:
    """Closes the rows of a stack that does not run any more, and takes what is left of its folder away."""
    faults = tuple(fault.id for fault in reversed(ledger.open_faults(stack.id)))
    problem = ""
    try:
        discard_stack_dir(stack.folder, keep_logs=True)
    except WorldError as error:
        problem = error.message
    ledger.close_stack(stack.id)
    return Healed(stack.id, faults, gone=True, problem=problem)


def _all_stuck(ledger: Ledger, stack: StackRecord, only: Collection[str] | None, problem: str) -> Healed:
    faults = tuple(fault.id for fault in reversed(ledger.open_faults(stack.id)) if only is None or fault.id in only)
    for fault in faults:
        ledger.advance(fault, "reverting")
        ledger.advance(fault, "stuck", evidence=problem)
    return Healed(stack.id, stuck=faults, problem=problem)


def _healed(stack_id: str, ended: Sequence[Reverted], swept: tuple[str, ...], problem: str) -> Healed:
    done = tuple(end.fault_id for end in ended if end.state in CLOSED)
    left = tuple(end for end in ended if end.state not in CLOSED)
    reasons = "; ".join(filter(None, (*(end.evidence for end in left), problem)))
    took_s = {end.fault_id: end.took_s for end in ended if end.took_s is not None}
    return Healed(stack_id, done, tuple(end.fault_id for end in left), swept, problem=reasons, took_s=took_s)


def teller(note: Note) -> Tell:
    """Turns a life cycle's notices into lines of text."""

    def tell(notice: Notice) -> None:
        match notice:
            case BiteSeen(evidence=why) | BiteMissing(evidence=why) | ActFailed(evidence=why) | UndoStep(evidence=why) if why:
                note(f"{notice.record.id}: {notice.what} ({why})")
            case _:
                note(f"{notice.record.id}: {notice.what}")

    return tell
