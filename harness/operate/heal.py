"""Healing by commands: leftovers of dead owners before anything else, and faults injected by hand on request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import LeftUnsafe, StackGone, UsageError, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.injection.guardian_start import ensure_guardian
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord, State
from brownout.harness.injection.recovery import (
    Healed,
    Healing,
    attach_world,
    heal_leftovers,
    heal_stack,
    require_whole,
    world_of,
)
from brownout.harness.injection.standing import adopt, anything_stands, put_back, release_strays
from brownout.harness.operate.api_process.start import keep_fault_api
from brownout.harness.operate.stacks import resolve_stack
from brownout.harness.worlds.catalog import COMPOSE

STACK_TIMEOUT_S = 20.0
ASIDE_TIMEOUT_S = 5.0  # for a command whose own work is something else, on a stack whose undo does not get on
ENGINE_TIMEOUT_S = 45.0  # a busy engine takes 10 s and more to remove the containers of a stack that never came up


@dataclass(frozen=True, slots=True)
class Undone:
    """What was left by earlier commands and is undone, a line for each stack; `unsafe` is the error for what could not be.

    `unsafe_stacks` are the ids of the stacks that the error is about.
    """

    lines: tuple[str, ...] = ()
    unsafe: LeftUnsafe | None = None
    unsafe_stacks: frozenset[str] = frozenset()


def undo_leftovers(*, limit_s: float = STACK_TIMEOUT_S) -> Undone:
    """Compares what stands with what is written, and reverts the faults without an owner.

    A fault left in place by hand stays until its deadline. Its stack gets a new guardian if the old one was killed. Each stack
    gets `limit_s`, and up to STACK_TIMEOUT_S as long as its undo gets on; all at once: one that is stuck delays no other.
    Raises LedgerError.
    """
    if not anything_stands():
        return Undone()
    with Ledger(ledger_path()) as ledger:
        try:
            lines, healed = asyncio.run(_undo_leftovers(ledger, limit_s))
        finally:
            _guard_again(ledger)
    lines += [_leftover_line(found) for found in healed if found.whole]
    try:
        require_whole(healed)
    except LeftUnsafe as unsafe:
        return Undone(tuple(lines), unsafe, frozenset(found.stack for found in healed if not found.whole))
    return Undone(tuple(lines))


async def _undo_leftovers(ledger: Ledger, limit_s: float) -> tuple[list[str], tuple[Healed, ...]]:
    within = partial(_bounded, ledger=ledger, limit_s=limit_s)
    lines, strays = [], []
    for stack in adopt(ledger):
        lines.append(f"leftover: stack {stack.id} stands and was in no ledger; it is entered again")
        if not (stack.run_owned or stack.owner.alive()):
            strays.append(_bounded(stack, _without_strays(ledger, stack, lost=True), ledger=ledger))
    found = tuple(each for each in await asyncio.gather(*strays) if each is not None)
    mine = [stack for stack in ledger.stacks() if not stack.run_owned and not stack.owner.alive()]
    repaired = await asyncio.gather(*(_repair(ledger, stack) for stack in mine))
    lines += [line for line in (*repaired, *(keep_fault_api(stack.folder) for stack in mine)) if line]
    healed = await heal_leftovers(ledger, attach_world, plugins.fault, within=within, together=_at_once)
    return lines, (*found, *healed)


async def _repair(ledger: Ledger, stack: StackRecord) -> str:
    """Repairs a standing stack whose links have ended, with the ledger's holds; a line that says so, or why it is broken."""
    try:
        async with asyncio.timeout(STACK_TIMEOUT_S):
            world = world_of(stack)
            told = await world.repair() if world.alive() else ""
            if not told:
                return ""
            back = await put_back(stack, ledger, world, plugins.fault)
    except StackGone:
        return ""
    except (WorldError, TimeoutError) as error:
        why = error.message if isinstance(error, WorldError) else f"it takes longer than {STACK_TIMEOUT_S:g} s"
        return f"stack {stack.id} is broken and cannot be repaired: {why}; `brownout down` takes it away"
    return f"repaired: stack {stack.id}: {told}" + (f"; put back: {', '.join(back)}" if back else "")


async def _without_strays(ledger: Ledger, stack: StackRecord, *, lost: bool) -> Healed | None:
    """Releases the stack's holds that the ledger does not know; None when there are none.

    `lost`: the ledger was lost, so what does not answer may hold anything.
    """
    try:
        swept, silent = await release_strays(stack, ledger, world_of(stack))
    except WorldError as error:
        swept, silent = (), (error.message,)
    problem = f"it cannot be searched for holds: {'; '.join(silent)}" if silent and lost else ""
    return Healed(stack.id, swept=swept, problem=problem) if swept or problem else None


async def _at_once(healings: Iterable[Healing]) -> list[Healed | None]:
    return list(await asyncio.gather(*healings))


async def _bounded(stack: StackRecord, healing: Healing, *, ledger: Ledger, limit_s: float = STACK_TIMEOUT_S) -> Healed | None:
    """The healing's end, or that it has none: after `limit_s` without a step, and after STACK_TIMEOUT_S in any case.

    An undo may take longer than a command aside has for one that is stuck: what is released takes its time to heal, and a busy
    machine its time for each step.
    """
    if stack.world == COMPOSE:
        limit_s = max(limit_s, ENGINE_TIMEOUT_S)
    undo, end_s, before = asyncio.ensure_future(healing), time.monotonic() + max(limit_s, STACK_TIMEOUT_S), None
    try:
        while (left_s := end_s - time.monotonic()) > 0 and (before is None or _gets_on(ledger, stack, before)):
            before = _states(ledger, stack)
            if (await asyncio.wait({undo}, timeout=min(limit_s, left_s)))[0]:
                return await undo
    finally:
        undo.cancel()
        await asyncio.wait({undo})
    problem = "its undo has not ended in time; `brownout status` shows what does not answer"
    return Healed(stack.id, problem=problem)


def _states(ledger: Ledger, stack: StackRecord) -> Mapping[str, State]:
    """The states of the stack's open faults, by their ids."""
    return {fault.id: fault.state for fault in ledger.open_faults(stack.id)}


def _gets_on(ledger: Ledger, stack: StackRecord, before: Mapping[str, State]) -> bool:
    """Whether the undo has taken a step since, or has released everything and waits for what it sees to heal."""
    now = _states(ledger, stack)
    return now != before or (bool(now) and set(now.values()) == {"reverted"})


def heal_by_hand(fault_id: str = "", stack_id: str = "") -> tuple[Healed, ...]:
    """Reverts faults that were injected by hand, by any command: all of them, those on one stack, or one.

    Each is looked at first, so that one that was no longer in force is told (`lost`). Holds of theirs that no ledger knows are
    released too. Returns one entry per stack that had any. Raises UsageError for an unknown fault or stack.
    """
    with Ledger(ledger_path()) as ledger:
        wanted = _wanted(ledger, fault_id, stack_id)
        ids = {fault.stack: [one.id for one in wanted if one.stack == fault.stack] for fault in wanted}
        stray_on = () if fault_id else _standing(ledger, stack_id)
        return asyncio.run(_heal_wanted(ledger, ids, stray_on))


async def _heal_wanted(ledger: Ledger, ids: Mapping[str, Sequence[str]], stray_on: Sequence[StackRecord]) -> tuple[Healed, ...]:
    calls = []
    for stack_id, only in ids.items():
        stack = ledger.stack(stack_id)
        calls.append(
            _bounded(stack, heal_stack(ledger, stack, attach_world, plugins.fault, only=only, look_first=True), ledger=ledger)
        )
    healed = await asyncio.gather(*calls)
    # Afterwards, and only where the stack answered: what is searched here is what no row is left for.
    unsafe = {found.stack for found in healed if found is not None and (found.gone or not found.whole)}
    left = [stack for stack in stray_on if stack.id not in unsafe]
    strays = await asyncio.gather(
        *(_bounded(stack, _without_strays(ledger, stack, lost=False), ledger=ledger) for stack in left)
    )
    return tuple(found for found in (*healed, *strays) if found is not None)


def healed_lines(found: Healed) -> tuple[str, ...]:
    """One line for each fault that was reverted. Faults that could not be are reported by LeftUnsafe."""
    if found.gone:
        return (f"stack {found.stack} is gone, and its faults with it",)
    healed = (f"healed {_timed(found, fault)}" for fault in found.healed)
    swept = (f"released, of no fault in the ledger: {hold}" for hold in found.swept)
    lost = (f"  {fault} had been lost before: {evidence}" for fault, evidence in found.lost.items())
    hidden = "whether it is healed shows when the other faults are gone"
    return (*healed, *lost, *swept, *(f"released {fault}; {hidden}" for fault in found.released))


def _guard_again(ledger: Ledger) -> None:
    for stack in ledger.stacks():
        if not stack.run_owned and any(fault.by_hand for fault in ledger.open_faults(stack.id)):
            with suppress(StackGone):  # taken down at this very moment
                ensure_guardian(stack, ledger_path())


def _wanted(ledger: Ledger, fault_id: str, stack_id: str) -> list[FaultRecord]:
    rows = _standing(ledger, stack_id)
    faults = [fault for row in rows for fault in ledger.open_faults(row.id)]
    if not fault_id:
        return faults
    found = [fault for fault in faults if fault.id == fault_id]
    if not found and not _was_undone(ledger, fault_id):
        hint = did_you_mean(fault_id, (fault.id for fault in faults)) or "no fault is in place; `brownout status` shows them"
        raise UsageError(f"there is no fault {fault_id!r} that was injected by hand", hint=hint)
    return found


def _standing(ledger: Ledger, stack_id: str) -> list[StackRecord]:
    """The standing stacks that a command without, or with, this id means; raises UsageError."""
    if stack_id:
        return [resolve_stack(stack_id, for_="break")]
    return [row for row in ledger.stacks() if not row.run_owned and not row.owner.alive()]


def _was_undone(ledger: Ledger, fault_id: str) -> bool:
    try:
        return not ledger.fault(fault_id).open
    except KeyError:
        return False


def _leftover_line(found: Healed) -> str:
    if found.gone:
        return f"leftover: stack {found.stack} is gone, and its faults with it"
    if found.never_up:
        return f"leftover: stack {found.stack} never came up, its `up` was killed; it was cleared away"
    what = [_timed(found, fault) for fault in found.healed] + list(found.swept)
    if found.taken_down:
        why = f", because {found.broken}" if found.broken else ""
        ended = f"; with it ended {', '.join(what)}" if what and found.broken else ""
        return f"leftover: stack {found.stack} of a run that died was taken down{why}{ended}"
    if not what:
        return f"leftover: nothing was in place on stack {found.stack} of a run that died"
    return f"leftover: healed on stack {found.stack}: {', '.join(what)}"


def _timed(found: Healed, fault: str) -> str:
    return f"{fault} after {1000 * found.took_s[fault]:.0f} ms" if fault in found.took_s else fault
