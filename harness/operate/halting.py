"""`brownout halt`: halts, reverts what stands in place by hand, and waits until runs and loads have seen the halt and ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from brownout.harness.base.halt import Halt, halt
from brownout.harness.base.statedir import ledger_path, state_dir
from brownout.harness.errors import BrownoutError, LeftUnsafe
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.standing import anything_stands
from brownout.harness.operate.heal import heal_by_hand, healed_lines, undo_leftovers
from brownout.harness.operate.loads.inside import ended_loads
from brownout.harness.operate.loads.load_session import has_load

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class GoingOn:
    """What has not ended, a sentence each: faults that are not undone, and runs and loads."""

    faults: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


def halt_all(reason: str, *, within_s: float, say: Callable[[str], None]) -> Halt:
    """Halts, and returns once no fault is in place, no run in a live world goes on and no load, by hand or in containers.

    `say` gets a line for each fault that was reverted here, and for each container of a load that was ended. Raises LeftUnsafe
    when a fault is not undone after `within_s`, and BrownoutError when it cannot be halted or a run or a load goes on; the halt
    is in force then, if it could be written.
    """
    halted = halt(state_dir(), reason)
    say(str(halted))
    if anything_stands():
        _undo(say)
        unended = asyncio.run(_end_loads(say))
        _require_ended(within_s)
        if unended:
            raise BrownoutError("; ".join(unended), hint="the halt is in force; `brownout halt` tries again")
    return halted


async def _end_loads(say: Callable[[str], None]) -> list[str]:
    """Ends the loads inside of standing stacks, on all of them at once; what could not be ended, a sentence for each stack."""
    with Ledger(ledger_path()) as ledger:
        standing = [row for row in ledger.stacks() if not row.run_owned]
    ended = await asyncio.gather(*(ended_loads(row) for row in standing), return_exceptions=True)
    unended = []
    for row, found in zip(standing, ended, strict=True):
        if isinstance(found, BrownoutError):
            unended.append(f"whether a load runs inside of stack {row.id} cannot be told: {found.message}")
        elif isinstance(found, BaseException):
            raise found
        else:
            for name in found:
                say(f"ended {name}")
    return unended


def _undo(say: Callable[[str], None]) -> None:
    """Reverts what needs no other process. What cannot be reverted is still there when the time is over."""
    leftovers = undo_leftovers().lines
    healed = (replace(found, lost={}) for found in heal_by_hand())  # the guardian may have reverted it first: it saw the halt
    for line in (*leftovers, *(line for found in healed for line in healed_lines(found))):
        say(line)


def _require_ended(within_s: float) -> None:
    until_s = time.monotonic() + within_s
    with Ledger(ledger_path()) as ledger:
        while (left := going_on(ledger)) != GoingOn():
            if time.monotonic() >= until_s:
                raise _unended(left, within_s)
            time.sleep(POLL_S)


def going_on(ledger: Ledger) -> GoingOn:
    """What has not ended by now."""
    rows = ledger.stacks()
    faults = (f"{fault.id} is {fault.state}" for row in rows for fault in ledger.open_faults(row.id))
    runs = (f"the run on stack {row.id} goes on" for row in rows if row.run_owned and row.owner.alive())
    loads = (f"a load on stack {row.id} goes on" for row in rows if has_load(row))
    return GoingOn(tuple(faults), (*runs, *loads))


def _unended(left: GoingOn, within_s: float) -> BrownoutError:
    what = f"after {within_s:g} s not everything has ended: {'; '.join((*left.faults, *left.processes))}"
    if left.faults:
        return LeftUnsafe(what, hint="`brownout down` takes the stacks away and their faults with them")
    return BrownoutError(what, hint="the halt is in force; `brownout halt` waits again")
