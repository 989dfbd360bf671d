"""Recovery of stacks whose owner died: every command does it first, the guardian does it as soon as an owner has died.

The order is always the same:

1. Raise the stack's epoch: from then on its old owner can only undo.
2. Revert every open fault.
3. Once the owner is dead, sweep the carriers for late holds: those it placed after the ledger had closed their rows.

A failed undo is never dropped: the row stays `stuck`, the command ends as left unsafe, and the next command tries again.

A stack whose `up` was killed never came up: it is taken away, whatever there is of it. So is the stack of a dead run, without
further grace, once what carried its links has ended: no request arrives there any more, and no process is left to repair it.

A standing stack has no owner. Each of its faults is owned by a command in the foreground, or left in place until a deadline.
There only unowned faults are reverted, and the epoch is not raised, because it would fence the other commands too.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from brownout.harness.base.statedir import discard_stack_dir
from brownout.harness.errors import LeftUnsafe, StackGone, UsageError, WorldError
from brownout.harness.injection.lease import read_lease
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import CLOSED, FaultRecord, StackRecord
from brownout.harness.injection.lifecycle import LifeCycle, Make
from brownout.harness.injection.looks import gone_with_links
from brownout.harness.injection.notices import ActFailed, BiteMissing, BiteSeen, Notice, Tell, UndoStep
from brownout.harness.injection.outcomes import Reverted
from brownout.harness.injection.stack_entry import read_entry
from brownout.harness.world import LiveWorld, World, one_after_another
from brownout.harness.worlds.catalog import live_world
from brownout.harness.worlds.left_subject import end_left_subject

GRACE_S = 600.0
AGAIN_MAX = 4  # each waits for what hides a heal as long as for a heal
HOLDER_SLACK_S = 5.0  # a living command reverts its fault at the deadline by itself; so much later it is taken for hung

Healing = Coroutine[Any, Any, "Healed | None"]
Within = Callable[[StackRecord, Healing], Healing]
Together = Callable[[Iterable[Healing]], Coroutine[Any, Any, "list[Healed | None]"]]
Attach = Callable[[StackRecord], Awaitable[World]]
Note = Callable[[str], None]
log = logging.getLogger("healing")


@dataclass(frozen=True, slots=True)
class Healed:
    """The result of healing one stack: fault ids by how they ended; `problem` is empty when nothing is left.

    `gone`: the stack no longer existed. `swept`: `carrier: id` of late holds that were found and released.
    `released`: faults that no carrier holds, and whose heal cannot be seen while other faults stay in place.
    `took_s`: network seconds until each fault was seen to be healed, where that was seen. `never_up`: its `up` was killed.
    `lost`: what was found of each fault that was no longer in force before its revert. `broken` says what of a stack that was
    taken down had ended, "" for one that was whole.
    """

    stack: str
    healed: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    gone: bool = False
    taken_down: bool = False
    never_up: bool = False
    problem: str = ""
    released: tuple[str, ...] = ()
    took_s: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""

    @property
    def whole(self) -> bool:
        return not self.stuck and not self.problem


async def attach_world(stack: StackRecord) -> World:
    """The world of a running stack.

    Raises StackGone when the stack no longer runs, after removing what is left of it; WorldError when it cannot be reached.
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


async def _without_limit(stack: StackRecord, healing: Healing) -> Healed | None:
    return await healing


async def heal_leftovers(
    ledger: Ledger,
    attach: Attach,
    make: Make,
    *,
    grace_s: float = GRACE_S,
    within: Within = _without_limit,
    together: Together = one_after_another,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Healed, ...]:
    """Reverts every fault whose owner is dead, has lost its lease or has let the deadline pass; every command does this first.

    Stacks that no longer run are closed. A run's stack is taken down `grace_s` after its owner was first found dead. Returns
    one entry per stack that needed anything, also for those that could not be undone (`require_whole`). `together` heals
    all stacks, `within` each of them, in a bounded time. `monotonic` is the clock of leases and deadlines.
    """
    calls = [within(stack, _heal_leftover(ledger, stack, attach, make, grace_s, monotonic)) for stack in ledger.stacks()]
    return tuple(found for found in await together(calls) if found is not None)


def require_whole(healed: Sequence[Healed]) -> None:
    """Raises LeftUnsafe for what could not be undone."""
    unsafe = [f"stack {found.stack}: {', '.join(found.stuck)} {found.problem}" for found in healed if not found.whole]
    if unsafe:
        raise LeftUnsafe(
            "faults could not be reverted: " + "; ".join(unsafe),
            hint="`brownout heal` tries again; `brownout down` takes the stack away and its faults with it",
        )


async def _heal_leftover(
    ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, grace_s: float, monotonic: Callable[[], float]
) -> Healed | None:
    """Heals one stack; None when it needs nothing."""
    lease, alive = read_lease(stack.folder), stack.owner.alive()
    renewed = lease is None or not (lease.lapsed(monotonic()) or lease.released)
    if alive and renewed:  # its owner and its guardian look after it; to interfere would break a healthy run
        return None
    if not stack.run_owned and stack.owner.pid and not alive and not _let_go_unnoticed(ledger, stack):
        return await _clear_never_up(ledger, stack)
    orphaned_for_s = 0.0 if alive else time.time() - ledger.mark_orphaned(stack.id)
    if stack.run_owned and orphaned_for_s > grace_s:
        return await take_down(ledger, stack, attach, make)
    if not stack.run_owned and stack.folder.is_dir():
        return await _heal_standing(ledger, stack, attach, make, monotonic())
    healed = None
    if not stack.folder.is_dir() or ledger.open_faults(stack.id) or _to_sweep(ledger, stack):
        healed = await heal_stack(ledger, stack, attach, make)
    if alive or (healed is not None and (healed.gone or healed.taken_down)):
        return healed
    return await _clear_broken(ledger, stack, attach, make, healed)


async def _clear_broken(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, healed: Healed | None) -> Healed | None:
    """Takes the stack of a dead run down where its links have ended; else returns `healed`, what was done about it before."""
    try:
        ended = await gone_with_links(await attach(stack))
    except StackGone:
        return await heal_stack(ledger, stack, attach, make)
    except WorldError:
        return healed  # it cannot be reached, which `healed` says where anything was in place
    if not ended:
        return healed
    down = await take_down(ledger, stack, attach, make)
    before = () if healed is None else healed.healed
    return replace(down, healed=(*before, *(each for each in down.healed if each not in before)), broken=ended)


def _let_go_unnoticed(ledger: Ledger, stack: StackRecord) -> bool:
    """Whether the stack did come up, which a ledger that was deleted meanwhile does not know; its row is mended then."""
    entry = read_entry(stack.folder)
    if entry is None or not entry.standing:
        return False
    ledger.let_go(stack.id)
    return True


async def _clear_never_up(ledger: Ledger, stack: StackRecord) -> Healed:
    """Takes away what there is of a stack whose `up` was killed; no client can have used it."""
    try:
        await world_of(stack).stop()
    except StackGone:
        log.info("%s: nothing of it runs", stack.id)
    except WorldError as error:
        return Healed(stack.id, problem=f"it never came up, and cannot be taken away: {error.message}", never_up=True)
    gone = _close_gone(ledger, stack)
    return replace(gone, never_up=True, gone=False)


async def _heal_standing(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, now_s: float) -> Healed | None:
    unowned = unowned_faults(ledger.open_faults(stack.id), now_s)
    if not unowned and not _to_sweep(ledger, stack):
        return None
    healed = await heal_stack(ledger, stack, attach, make, only=unowned)
    return healed if unowned or healed.swept or healed.gone or not healed.whole else None  # a sweep that found nothing is none


def unowned_faults(faults: Sequence[FaultRecord], now_s: float | None = None) -> tuple[str, ...]:
    """Ids of a standing stack's open faults that no living command owns and no coming deadline keeps in place."""
    at_s = time.monotonic() if now_s is None else now_s
    return tuple(fault.id for fault in faults if not _is_owned(fault, faults, at_s))


def _is_owned(fault: FaultRecord, faults: Sequence[FaultRecord], now_s: float) -> bool:
    # A living command reverts its own fault. The slack lets it do so at the deadline; after that it counts as hung.
    if fault.holder is not None and fault.holder.alive():
        return not fault.overdue(now_s - HOLDER_SLACK_S)
    # Nothing is held. Until no other fault hides the effect, another look cannot prove the heal.
    if fault.state == "reverted":
        return any(other.in_place for other in faults)
    # Left in place on purpose. In any other state the command died in the middle of an apply or an undo.
    return fault.by_hand and fault.state in ("applied", "bitten") and not fault.overdue(now_s)


def _to_sweep(ledger: Ledger, stack: StackRecord) -> bool:
    """Whether a dead process may have left a late hold that has not been searched for since."""
    return not stack.swept and bool(ledger.faults(stack.id)) and not _may_apply(ledger, stack)


def _may_apply(ledger: Ledger, stack: StackRecord) -> bool:
    """Whether a living process may be in the middle of an apply."""
    holders = (fault.holder for fault in ledger.faults(stack.id))
    return stack.owner.alive() or any(holder is not None and holder.alive() for holder in holders)


async def heal_stack(
    ledger: Ledger,
    stack: StackRecord,
    attach: Attach,
    make: Make,
    *,
    only: Collection[str] | None = None,
    look_first: bool = False,
    note: Note = log.info,
) -> Healed:
    """Fences the stack's owner off and reverts all its open faults. Safe to repeat, and beside another undo.

    With `look_first` each is looked at before its revert, so that `lost` tells which were no longer in force.

    With `only`, just those faults are reverted and the owner is not fenced. Raises no WorldError: a fault that cannot be
    undone is in `stuck`, the reason in `problem`. What is left of a dead owner's subject is ended, after its keeper's time.
    """
    if only is None:
        ledger.take_over(stack.id)
    try:
        return await _healed_stack(ledger, stack, attach, make, only=only, look_first=look_first, note=note)
    finally:
        if only is None and stack.run_owned and not stack.owner.alive():
            await end_left_subject(stack.world, stack.folder)


async def _healed_stack(
    ledger: Ledger,
    stack: StackRecord,
    attach: Attach,
    make: Make,
    *,
    only: Collection[str] | None,
    look_first: bool,
    note: Note,
) -> Healed:
    try:
        world = await attach(stack)
    except StackGone as gone:
        note(f"{stack.id}: {gone.message}")
        return _close_gone(ledger, stack)
    except WorldError as error:
        return _all_stuck(ledger, stack, only, error.message)
    if only is None and stack.run_owned and not stack.owner.alive() and (broken := await gone_with_links(world)):
        return await _taken_away(ledger, stack, world, broken, note)
    life = LifeCycle(world, ledger, stack.id, teller(note), make=make, look_first=look_first)
    ended = await _all_undone(life, only)
    others = life.watch.undone_by_others  # two commands that heal at once are no loss to each other
    lost = {fault_id: found.evidence for fault_id, found in life.watch.lost.items() if fault_id not in others}
    swept, problem = await _sweep(ledger, stack, life)
    tried = {end.fault_id for end in ended}
    if not any(fault.in_place for fault in ledger.open_faults(stack.id) if fault.id not in tried):
        return replace(_healed(stack.id, ended, swept, problem), lost=lost)
    # Faults of other owners stay in place. They may hide a heal and delay the sweep, so neither counts as a problem here:
    # both are done once those faults end.
    released = tuple(end.fault_id for end in ended if end.state == "reverted")
    healed = _healed(stack.id, [end for end in ended if end.state != "reverted"], swept, "")
    return replace(healed, released=released, lost=lost)


async def _taken_away(ledger: Ledger, stack: StackRecord, world: World, ended: str, note: Note) -> Healed:
    """Takes away a dead run's stack whose links have ended, with its faults. A release behind those links never succeeds."""
    faults = tuple(fault.id for fault in reversed(ledger.open_faults(stack.id)))
    try:
        await world.stop()
        discard_stack_dir(stack.folder, keep_logs=True)
    except WorldError as error:
        return Healed(stack.id, stuck=faults, problem=f"it cannot be taken down: {error.message}", broken=ended)
    ledger.close_stack(stack.id)
    note(f"{stack.id}: taken down, its owner is dead and {ended}")
    return Healed(stack.id, healed=faults, taken_down=True, broken=ended)


async def _all_undone(life: LifeCycle, only: Collection[str] | None) -> tuple[Reverted, ...]:
    """Reverts them. A heal that other faults hid is looked for again where another command has undone those meanwhile."""
    ended = {end.fault_id: end for end in await life.revert_all(only)}
    for _ in range(AGAIN_MAX):
        hidden = [end.fault_id for end in ended.values() if end.state == "reverted"]
        if not hidden or any(fault.in_place for fault in life.ledger.open_faults(life.stack_id) if fault.id not in ended):
            break
        ended |= {fault_id: await life.try_again(life.ledger.fault(fault_id)) for fault_id in hidden}
    return tuple(ended.values())


async def take_down(ledger: Ledger, stack: StackRecord, attach: Attach, make: Make, *, note: Note = log.info) -> Healed:
    """Reverts the open faults, then stops the whole stack and closes its rows. Like heal_stack, raises no WorldError."""
    healed = await heal_stack(ledger, stack, attach, make, note=note)
    if healed.gone or healed.taken_down:
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
    """Sweeps once the owner and every holder are dead; a living process may still be in the middle of an apply.

    Returns `carrier: id` of the holds released, and what went wrong, "" if nothing did.
    """
    if _may_apply(ledger, stack):
        return (), ""
    try:
        swept = await life.sweep()
    except WorldError as error:
        return (), f"the sweep failed: {error.message}"
    ledger.mark_swept(stack.id)
    return swept, ""


def _close_gone(ledger: Ledger, stack: StackRecord) -> Healed:
    """Closes the rows of a stack that no longer runs, and removes what is left of its folder but the logs."""
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
