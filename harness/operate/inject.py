"""Faults by hand: a command injects a fault into a standing stack, and reverts it or leaves it in place.

The life cycle and the ledger are those of every fault (brownout.harness.injection.lifecycle); the owner differs. While the
command is in the foreground it owns the fault, and the guardian reverts the fault as soon as the command dies. A fault left in
place has no owner. It has a deadline in the ledger, at which the guardian, or else the next command, reverts it.

An interrupt must not cut an apply short, because a request under way could arrive after the undo. So the first interrupt lets
the apply end, and then ends the wait for a bite or the hold. The second ends the command at once, and the guardian reverts. A
halt acts as the first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from brownout.harness.base.interrupts import interruptible
from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import LeftUnsafe, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import BlastRadius
from brownout.harness.experiment.parts.blast_radius import InForce, excess
from brownout.harness.fault import Fault
from brownout.harness.injection.guardian_start import GuardianClaim, ensure_guardian
from brownout.harness.injection.hold_watch import IN_PLACE
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.lifecycle import PATIENCE_S, LifeCycle
from brownout.harness.injection.notices import Notice
from brownout.harness.injection.outcomes import Applied, Reverted
from brownout.harness.injection.recovery import attach_world
from brownout.harness.world import World
from brownout.harness.worlds.catalog import check_able

T = TypeVar("T")
LONGEST_S = 3600.0
HEAL_AGAIN = "`brownout heal` tries again; `brownout down` takes the stack away and its faults with it"
TICK_S = 0.2

GUARD_S = 1.0  # how often the guardian is looked at while a fault is held

EndedEarly = Literal["interrupted", "halted"]
Ended = Literal["left", "time", "elsewhere", "lost", "no-bite", "defended"] | EndedEarly


@dataclass(frozen=True, slots=True)
class InjectRequest:
    """The fault, and how many seconds to hold it in the foreground; with `hold_s` None it is left in place.

    With `keep` a fault without a proven bite is held, or left in place, too. `at_once` says how much may be broken then, by
    all faults of the stack together. `name` is what the ledger calls it, its kind when empty; `leave_s` is how long one that is
    left stays at the most.
    """

    fault: Fault
    hold_s: float | None = None
    keep: bool = False
    at_once: BlastRadius = field(default_factory=BlastRadius)
    name: str = ""
    leave_s: float = LONGEST_S


@dataclass(frozen=True, slots=True)
class Lost:
    """A fault that something else undid: when it was last seen in force (wall clock), and what was found then."""

    seen_wall_s: float
    evidence: str


@dataclass(frozen=True, slots=True)
class InjectResult:
    """The result of a request. `ended` says why the command is done with the fault.

    `lost` is there when the fault was no longer in force before its end; `held_s` is how long it was held by then.
    `waited_s` is how long a bite was awaited, `until_s` the wall clock time at which a fault left in place is reverted.
    """

    fault_id: str
    state: Literal["bitten", "applied", "defended"]
    evidence: str
    ended: Ended
    bite_ms: float | None = None
    waited_s: float = 0.0
    foreign: tuple[str, ...] = ()
    until_s: float | None = None
    heal: Reverted | None = None
    lost: Lost | None = None
    held_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Remaining:
    """A notice: the fault is held for this many more seconds."""

    left_s: float


Hear = Callable[[Notice | Remaining], None]


async def open_world(row: StackRecord, fault: Fault) -> World:
    """The stack's world, after checking that it can carry out the fault; raises UsageError, AbilityMissing, StackGone."""
    world = await attach_world(row)
    check_able(fault.kind, fault.needs, world.name)
    fault.carriers(world.spec)
    return world


def inject(row: StackRecord, request: InjectRequest, hear: Hear) -> InjectResult:
    """Carries the request out on a standing stack; `hear` gets what happens. Raises BrownoutError with everything undone.

    When it returns, the fault is reverted, or left in place (`ended` is `left`), or could not be undone (`heal` is `stuck`).
    """
    return asyncio.run(_inject(row, request, hear))


async def _inject(row: StackRecord, request: InjectRequest, hear: Hear) -> InjectResult:
    async with opened(row, request, hear) as injection:
        # A second interrupt leaves the fault to the guardian, which finds that the holder has ended.
        farewell = "left at once; the guardian reverts it"
        loop = asyncio.get_running_loop()
        with interruptible(loop, first=injection.interrupt, farewell=farewell, again=lambda: None):
            return await injection.carry_out()


@asynccontextmanager
async def opened(row: StackRecord, request: InjectRequest, hear: Hear) -> AsyncIterator[Injection]:
    """The injection of a request, under a guardian that does not leave; nothing is touched yet. Raises BrownoutError."""
    world = await open_world(row, request.fault)
    with Ledger(ledger_path()) as ledger, GuardianClaim(row.folder):
        ledger.require_lifted()
        await asyncio.to_thread(ensure_guardian, row, ledger_path())
        life = LifeCycle(world, ledger, row.id, hear, make=plugins.fault, holder=ProcessId.me())
        yield Injection(request, row, world, ledger, life, hear)


@dataclass(slots=True)
class Injection:
    """One request being carried out. `interrupt` may be called while `carry_out` goes on."""

    request: InjectRequest
    row: StackRecord
    world: World
    ledger: Ledger
    life: LifeCycle
    hear: Hear
    _ended_early: EndedEarly | None = None
    _looking: asyncio.Task[Any] | None = None  # looks: the one thing that an interrupt may cancel

    def interrupt(self) -> None:
        """Ends the wait for a bite or the hold; the fault is then reverted."""
        self._end_early("interrupted")

    def _end_early(self, why: EndedEarly) -> None:
        self._ended_early = why
        if self._looking is not None:
            self._looking.cancel()

    def _early_end(self) -> EndedEarly | None:
        """What has ended the wait or the hold, a halt of this moment included; None while it goes on."""
        if self._ended_early is None and self.ledger.halt() is not None:
            self._end_early("halted")
        return self._ended_early

    async def carry_out(self) -> InjectResult:
        """Injects, then holds, leaves or reverts as requested; raises BrownoutError with everything undone, or LeftUnsafe."""
        fault, began_s = self.request.fault, time.monotonic()
        # The hold begins only after the wait for a bite. Until then the deadline covers that wait; `_hold` and `_leave` set
        # the final one.
        until_s = self.world.now() + PATIENCE_S * self.world.rate + fault.settles_s(self.world.spec)
        record = await self.life.intend(self.request.name or fault.kind, fault, until_s=until_s)
        await self._require_room(record)
        applied = await self.life.apply(record, fault)
        if applied.state == "defended":
            return InjectResult(record.id, "defended", applied.evidence, "defended", foreign=applied.foreign)
        try:
            return await self._keep(record, applied, began_s)
        except LedgerError as error:
            # Without a ledger no other process would end it at its time, so it ends now.
            heal = await self.life.revert(record.id)
            if heal.state == "stuck":
                raise LeftUnsafe(f"{record.id} could not be reverted: {heal.evidence}", hint=HEAL_AGAIN) from error
            raise

    async def _require_room(self, record: FaultRecord) -> None:
        """Raises UsageError, with the intent closed, where it would be too much beside what was intended before it.

        Afterwards, because the ledger puts intents in order: of several commands at once the last ones are refused.
        """
        before = [row for row in self.ledger.open_faults(self.row.id) if row.number <= record.number and row.in_place]
        together = [InForce(row.id, row.carriers) for row in before]
        text, allows = excess(self.request.at_once, self.world.spec, together)
        if text:
            await self.life.revert(record.id)
            name, _, value = allows.removeprefix("blast_radius: {").rstrip("}").partition(": ")
            raise UsageError(
                f"with this one {text}", hint=f"`brownout heal` takes the others away; `--at-once {name}={value}` allows it"
            )

    async def _keep(self, record: FaultRecord, applied: Applied, began_s: float) -> InjectResult:
        """Awaits the bite, then holds, leaves or reverts the fault as requested; raises LedgerError, with it in place."""
        applied = await self._await_bite(record, applied)
        result = InjectResult(
            record.id,
            applied.state,
            applied.evidence,
            "interrupted",
            bite_ms=milliseconds(applied.took_s),
            waited_s=time.monotonic() - began_s,
            foreign=applied.foreign,
        )
        held_s = time.monotonic()
        ended: Ended
        if (early := self._early_end()) is not None:
            ended = early
        elif not self._in_place(record.id):
            ended = "elsewhere"
        elif applied.state == "applied" and not self.request.keep:
            ended = "no-bite"
        elif self.request.hold_s is None:
            return self._leave(result)
        else:
            ended = await self._hold(record, applied, self.request.hold_s)
        held_s = time.monotonic() - held_s
        if ended == "time" and not self._in_place(record.id):  # this process was paused meanwhile, for example
            ended = "elsewhere"
        heal = await self.life.revert(record.id)
        lost = None if ended == "elsewhere" else self._lost(record.id)
        return replace(result, ended="lost" if lost and ended == "time" else ended, heal=heal, lost=lost, held_s=held_s)

    def _in_place(self, fault_id: str) -> bool:
        return self.ledger.fault(fault_id).state in IN_PLACE

    def _lost(self, fault_id: str) -> Lost | None:
        found = self.life.watch.lost.get(fault_id)
        if found is None:
            return None
        return Lost(time.time() - (self.world.now() - found.seen_s) / self.world.rate, found.evidence)

    async def _await_bite(self, record: FaultRecord, applied: Applied) -> Applied:
        """Looks for the bite until it is seen, the patience ends, an interrupt comes or another process reverts the fault."""
        found = await self._interruptibly(self.life.await_bite(record, self.request.fault, applied), record.id)
        return found or replace(applied, evidence="given up before a bite was seen")

    async def _interruptibly(self, looking: Coroutine[Any, Any, T], fault_id: str) -> T | None:
        """The result of looks; None when an interrupt, or an undo by another process, ended them."""
        task = self._looking = asyncio.ensure_future(looking)
        if self._ended_early is not None:
            task.cancel()
        try:
            while not (await asyncio.wait({task}, timeout=TICK_S))[0]:
                if self._early_end() is None and not self._in_place(fault_id):
                    task.cancel()
            return None if task.cancelled() else task.result()
        finally:
            task.cancel()  # only where this command itself is being cancelled is it still under way
            self._looking = None

    async def _hold(self, record: FaultRecord, applied: Applied, hold_s: float) -> Ended:
        """Keeps the fault in place until its time is over, an interrupt comes, or something else undoes it."""
        watch, began_s = self.life.watch, time.monotonic()
        end_s = began_s + hold_s
        self.ledger.keep_until(record.id, end_s, by_hand=False)
        until_s = self.world.now() + hold_s * self.world.rate
        bitten = applied.state == "bitten"
        watch.begin(record, self.request.fault, until_s=until_s, bitten=bitten, look_s=applied.look_s)
        guarded_s = began_s
        while self._early_end() is None and (left_s := end_s - time.monotonic()) > 0:
            if not self._in_place(record.id):
                return "elsewhere"
            await self._interruptibly(watch.look_due(before_s=until_s), record.id)
            if record.id in watch.lost:
                return "lost" if self._in_place(record.id) else "elsewhere"
            if time.monotonic() > guarded_s + GUARD_S:
                guarded_s = time.monotonic()
                await asyncio.to_thread(ensure_guardian, self.row, ledger_path())
            self.hear(Remaining(left_s))
            await asyncio.sleep(min(TICK_S, left_s))
        return self._ended_early or "time"

    def _leave(self, result: InjectResult) -> InjectResult:
        """Leaves the fault in place until its deadline, unless another process has reverted it by now."""
        leave_s = self.request.leave_s
        left = self.ledger.keep_until(result.fault_id, time.monotonic() + leave_s, by_hand=True)
        if not left.by_hand:  # the ledger changes only faults in place, so this one is being undone or is undone
            return replace(result, ended="elsewhere")
        return replace(result, ended="left", until_s=time.time() + leave_s)


def milliseconds(took_s: float | None) -> float | None:
    return None if took_s is None else round(1000 * took_s, 1)
