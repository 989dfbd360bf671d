"""Healing by commands: leftovers of dead owners before anything else, and faults injected by hand on request."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.injection.guardian_start import ensure_guardian
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.recovery import Healed, attach_world, heal_leftovers, heal_stack
from brownout.harness.operate.stacks import resolve_stack


def heal_leftovers_now() -> tuple[str, ...]:
    """Reverts the faults without an owner and returns a line for each stack that had any; raises LeftUnsafe.

    A fault left in place by hand stays until its deadline. Its stack gets a new guardian if the old one was killed.
    """
    if not ledger_path().exists():
        return ()
    with Ledger(ledger_path()) as ledger:
        try:
            healed = asyncio.run(heal_leftovers(ledger, attach_world, plugins.fault))
        finally:
            _guard_again(ledger)
    return tuple(map(_leftover_line, healed))


def heal_by_hand(fault_id: str = "", stack_id: str = "") -> tuple[Healed, ...]:
    """Reverts faults that were injected by hand, whichever command owns them: all of them, those on one stack, or one.

    Returns one entry per stack that had any. Raises UsageError for an unknown fault or stack.
    """
    with Ledger(ledger_path()) as ledger:
        wanted = _wanted(ledger, fault_id, stack_id)
        ids = {fault.stack: [one.id for one in wanted if one.stack == fault.stack] for fault in wanted}
        return tuple(
            asyncio.run(heal_stack(ledger, ledger.stack(stack), attach_world, plugins.fault, only=only))
            for stack, only in ids.items()
        )


def healed_lines(found: Healed) -> tuple[str, ...]:
    """One line for each fault that was reverted. Faults that could not be are reported by LeftUnsafe."""
    if found.gone:
        return (f"stack {found.stack} is gone, and its faults with it",)
    healed = (f"healed {_timed(found, fault)}" for fault in found.healed)
    swept = (f"released what a killed command had left: {hold}" for hold in found.swept)
    hidden = "whether it is healed shows when the other faults are gone"
    return (*healed, *swept, *(f"released {fault}; {hidden}" for fault in found.released))


def _guard_again(ledger: Ledger) -> None:
    for stack in ledger.stacks():
        if not stack.run_owned and any(fault.by_hand for fault in ledger.open_faults(stack.id)):
            with suppress(StackGone):  # taken down at this very moment
                ensure_guardian(stack, ledger_path())


def _wanted(ledger: Ledger, fault_id: str, stack_id: str) -> list[FaultRecord]:
    rows = [resolve_stack(stack_id, for_="break")] if stack_id else [row for row in ledger.stacks() if not row.run_owned]
    faults = [fault for row in rows for fault in ledger.open_faults(row.id)]
    if not fault_id:
        return faults
    found = [fault for fault in faults if fault.id == fault_id]
    if not found and not _was_undone(ledger, fault_id):
        hint = did_you_mean(fault_id, (fault.id for fault in faults)) or "no fault is in place; `brownout status` shows them"
        raise UsageError(f"there is no fault {fault_id!r} that was injected by hand", hint=hint)
    return found


def _was_undone(ledger: Ledger, fault_id: str) -> bool:
    try:
        return not ledger.fault(fault_id).open
    except KeyError:
        return False


def _leftover_line(found: Healed) -> str:
    if found.gone:
        return f"leftover: stack {found.stack} is gone, and its faults with it"
    if found.taken_down:
        return f"leftover: stack {found.stack} of a run that died was taken down"
    what = [_timed(found, fault) for fault in found.healed] + list(found.swept)
    return f"leftover: healed on stack {found.stack}: {', '.join(what) or 'nothing was in place'}"


def _timed(found: Healed, fault: str) -> str:
    return f"{fault} after {1000 * found.took_s[fault]:.0f} ms" if fault in found.took_s else fault
