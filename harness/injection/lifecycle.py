"""The life cycle of a fault, the same for all: intend, apply, observe the bite, revert, observe the heal.

Law: this file awaits nothing but the world's methods and a fault's verbs (which await nothing else either), so the same
life cycle runs under asyncio and on the simulation's own kernel. Waits are on the world's clock.

Proof of a bite: the fault's own observation (`observe`, here called a look) says `bitten` after the apply and did not before.
Proof of a heal: no carrier holds the fault's id, and the look says `absent`, or just what it said before the apply. Some looks
cannot prove a heal:

- the effect lasts by nature, or it looked bitten before the apply: `healed` once no carrier holds the id;
- a foreign hold is on a carrier: `healed`, and the foreign hold is reported and left alone;
- another fault of the stack is in place: the fault stays `reverted` and is confirmed once the other one is undone.

Undo never depends on a fault's code: the ledger lists the carriers, and what a fault's own `revert` leaves is released there.
A switch on a node that another fault keeps from answering is tried once, and again as soon as that fault is undone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from brownout.harness.base.permission import Permit, permitted_by
from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import CarrierGone, Defended, Halted, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection import notices
from brownout.harness.injection.hold_watch import IN_PLACE, LONGEST_LAST_S, HoldWatch
from brownout.harness.injection.ledger import Fenced, IllegalTransition, Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import FaultRecord, Intent, State
from brownout.harness.injection.looks import (
    Before,
    foreign_holds,
    gone_with_links,
    heal_look,
    is_held,
    is_waiting,
    look,
    look_before,
    looked_bitten_before,
    moments,
    others_in_place,
    read_there,
    undo_look,
    waits_for,
)
from brownout.harness.injection.outcomes import Applied, Reverted
from brownout.harness.world import Carrier, World

PATIENCE_S = 8.0
IMPATIENCE_S = 0.3
DEADLINE_SLACK_S = 30.0
LONGEST_HOLD_S = 6 * 3600.0
RELEASE_TRIES = 3

Make = Callable[[str, Mapping[str, Any]], Fault]


class LifeCycle:
    """Applies and reverts faults of one stack, in the epoch that the stack has at construction.

    `tell` gets a notice of everything that happens. `make` rebuilds faults that an earlier process applied. `holder` is the
    process that owns the faults applied here; None when that is the stack's owner. `permission` is asked before each single
    change of an apply, in the thread that makes it, and raises Fenced once this process may not change anything more. With
    `look_first` a fault that another process put in place is looked at before its revert, and may prove to be lost.
    """

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        stack_id: str,
        tell: notices.Tell,
        *,
        make: Make | None = None,
        holder: ProcessId | None = None,
        permission: Permit = lambda: None,
        look_first: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world, self.ledger, self.stack_id = world, ledger, stack_id
        self.epoch = ledger.stack(stack_id).epoch
        self._tell, self._make, self._holder, self._monotonic, self._permission = tell, make, holder, monotonic, permission
        self._look_first = look_first
        self._faults: dict[str, Fault] = {}
        self._left: dict[str, tuple[Carrier, ...]] = {}  # by fault that was tried to undo here: what could not be released
        self._looks_s: dict[str, float] = {}  # of the faults that were applied here: emulated time that a look takes
        self.watch = HoldWatch(world, ledger, stack_id, tell)

    async def inject(
        self,
        step: str,
        fault: Fault,
        *,
        until_s: float | None = None,
        patience_s: float = PATIENCE_S,
        before: Before | None = None,
    ) -> Applied:
        """Intends, applies and awaits the bite; raises what `intend` and `apply` raise.

        With `until_s` the fault is watched from then on (`watch`); its owner calls `watch.look_due` now and then.
        """
        record = await self.intend(step, fault, until_s=until_s, before=before)
        applied = await self.apply(record, fault)
        if applied.state == "defended":
            return applied
        applied = await self.await_bite(record, fault, applied, patience_s=patience_s, until_s=until_s)
        if until_s is not None:
            self.watch.begin(record, fault, until_s=until_s, bitten=applied.state == "bitten", look_s=applied.look_s)
        return applied

    async def intend(
        self, step: str, fault: Fault, *, until_s: float | None = None, before: Before | None = None
    ) -> FaultRecord:
        """Writes the intended fault to the ledger and returns its row; no carrier is touched.

        `until_s` (emulated) is the schedule's end of the fault; soon after it the guardian ends it, without it after
        LONGEST_HOLD_S of real time. `before` is the state from a look that was just taken, None to look now. Raises what
        `look_before` raises, Fenced, Halted and LedgerError.
        """
        found = await look_before(self.world, fault) if before is None else before
        unchanged = fault.unchanged(self.world.spec, found.readings)
        intent = Intent(
            step=step,
            kind=fault.kind,
            params=fault.model_dump(mode="json"),
            carriers=fault.carriers(self.world.spec),
            baseline=_plain({"carriers": found.readings, "looked": found.seen.state, "evidence": found.seen.evidence}),
            deadline_s=self._deadline_s(until_s),
            holder=self._holder,
        )
        record = self.ledger.intend(self.stack_id, self.epoch, intent)
        self._faults[record.id] = fault
        self._tell(notices.Intended(record, fault.describe(), found.seen.state, unchanged))
        return record

    async def apply(self, record: FaultRecord, fault: Fault) -> Applied:
        """Puts an intended fault in place: `applied`, or `defended` when the system refused it and nothing is held.

        Raises WorldError, Fenced, Halted and LedgerError after undoing what was done. Must not be cancelled: a request on its
        way could put a hold in place after the undo.
        """
        foreign = foreign_holds(self.ledger, self.stack_id, record.baseline["carriers"])
        if foreign:
            self._tell(notices.ForeignHolds(record, foreign))
        began_s = self.world.now()
        try:
            self.ledger.check(self.stack_id, self.epoch)  # again: the intent's fsync may have taken long
            began_s = self.world.now()
            with permitted_by(self._permission_for(record)):
                await fault.apply(self.world, record.id)
            try:
                # Refused when a guardian reverted the fault meanwhile. What this apply placed after that is undone below.
                self.ledger.advance(record.id, "applied")
            except IllegalTransition as undone:
                raise Fenced(f"{record.id} was undone by another process while it was being applied") from undone
        except Defended as defended:
            await self._undo(record, fault, closing="defended", evidence=defended.reason)
            return Applied(record.id, record.step, "defended", defended.reason, began_s, foreign=foreign)
        except (WorldError, Fenced, Halted, LedgerError) as error:
            self._tell(notices.ActFailed(record, str(error)))
            await self._undo(record, fault)
            raise
        applied_s = self.world.now()
        self._tell(notices.InPlace(record, fault.settles_s(self.world.spec) / self.world.rate))
        return Applied(record.id, record.step, "applied", "no look was taken yet", began_s, applied_s, foreign=foreign)

    def _permission_for(self, record: FaultRecord) -> Permit:
        """What each change of this fault's apply asks before it is made; raises Fenced and Halted."""
        owner = threading.get_ident()

        def check() -> None:
            self._permission()
            if self._monotonic() > record.deadline_s:
                raise Fenced(f"the deadline of {record.id} passed while it was being applied; was this process paused?")
            if threading.get_ident() == owner:  # the ledger's connection belongs to the thread that made it
                self.ledger.check(self.stack_id, self.epoch)

        return check

    async def await_bite(
        self,
        record: FaultRecord,
        fault: Fault,
        applied: Applied,
        *,
        patience_s: float = PATIENCE_S,
        until_s: float | None = None,
    ) -> Applied:
        """Looks until the fault is seen to bite, for at most `patience_s` of network time; 0 takes one look.

        It is not awaited past `until_s`, when the schedule ends it, nor once another process undoes it.
        """
        began_s = self.world.now()
        seen = await look(self.world, fault)
        for at_s in moments(self.world, fault, patience_s):
            if seen.state == "bitten" or looked_bitten_before(record) or self._is_over(record, until_s):
                break
            await self.world.sleep_until(at_s if until_s is None else min(at_s, until_s))
            began_s = self.world.now()
            seen = await look(self.world, fault)
        bitten_s = self.world.now()
        applied = replace(applied, look_s=bitten_s - began_s)
        self._looks_s[record.id] = applied.look_s
        why_not = self._bite(record, seen)
        if why_not:
            self._tell(notices.BiteMissing(record, why_not))
            return replace(applied, evidence=why_not)
        took_s = (bitten_s - applied.began_s) / self.world.rate
        return replace(applied, state="bitten", evidence=seen.evidence, bitten_s=bitten_s, took_s=took_s)

    def _is_over(self, record: FaultRecord, until_s: float | None) -> bool:
        return (until_s is not None and self.world.now() >= until_s) or not self.ledger.fault(record.id).in_place

    def _deadline_s(self, until_s: float | None) -> float:
        """The monotonic time at which the guardian ends the fault. `until_s`, emulated, only says how far away it is."""
        if until_s is None:
            return self._monotonic() + LONGEST_HOLD_S
        return self._monotonic() + max(0.0, until_s - self.world.now()) / self.world.rate + DEADLINE_SLACK_S

    def _bite(self, record: FaultRecord, seen: Observation) -> str:
        """Records a proven bite and returns "", else why `seen` proves none."""
        if looked_bitten_before(record):
            return f"no bite can be proven, it looked the same before: {record.baseline['evidence']}"
        if seen.state != "bitten":
            return seen.evidence
        try:
            self.ledger.advance(record.id, "bitten", evidence=seen.evidence)
        except (Fenced, IllegalTransition) as error:
            return f"another process is undoing it ({error})"
        except LedgerError as error:
            return f"it could not be entered in the ledger: {error.message}"
        self._tell(notices.BiteSeen(record, seen.evidence, dict(seen.detail or {})))
        return ""

    async def revert(self, fault_id: str) -> Reverted:
        """Undoes one fault and looks for the heal. Safe to repeat. A fault that cannot be undone ends `stuck`, not raised."""
        record = self.ledger.fault(fault_id)
        look_s = self._looks_s.get(fault_id, inf)
        fault = self._fault_of(record)
        if self._look_first and fault is not None and record.state in IN_PLACE:
            self.watch.revisit(record, fault)
        await self.watch.finish(fault_id)
        record = self.ledger.fault(fault_id)
        if not record.open:
            return Reverted(record.id, record.step, record.state, "it was undone before")
        # It may have bitten since, and this is the last moment to see it. That matters to its owner alone, whose verdict rests
        # on it: a look at a slow name takes as long as the name does, and a guardian or a command holds no undo up for it.
        if look_s <= LONGEST_LAST_S * self.world.rate and fault is not None and record.state == "applied":
            self._bite(record, await undo_look(self.world, fault))
        return await self._undo(record, fault)

    async def revert_all(self, only: Collection[str] | None = None) -> tuple[Reverted, ...]:
        """Undoes every open fault of the stack, or those of `only`, latest first. A failed undo never stops the others.

        Faults that ended stuck or undecided are tried once more after the others are undone, last those that wait for others.
        """
        ended: dict[str, Reverted] = {}
        for record in reversed(self.ledger.open_faults(self.stack_id)):
            if only is None or record.id in only:
                ended[record.id] = await self.revert(record.id)
        # Second pass. It includes `reverted` faults outside of `only`: their heal may have waited for what was just undone.
        latest_first = self.ledger.open_faults(self.stack_id)[::-1]
        for record in sorted(latest_first, key=partial(is_waiting, self.ledger, self._left)):
            again = record.id in ended and not is_waiting(self.ledger, self._left, record)
            if again or (record.state == "reverted" and not others_in_place(self.ledger, record)):
                ended[record.id] = await self.try_again(record)
        return tuple(ended.values())

    async def retry_stuck(self) -> tuple[Reverted, ...]:
        """Undoes once more what ended stuck: what kept it may have been another fault, which is undone by now."""
        stuck = [record for record in reversed(self.ledger.open_faults(self.stack_id)) if record.state == "stuck"]
        return tuple([await self.try_again(record) for record in stuck if not is_waiting(self.ledger, self._left, record)])

    async def sweep(self) -> tuple[str, ...]:
        """Releases late holds: holds of faults that the ledger has closed, left by an owner that was killed while applying.

        Call it only once that owner is dead. Returns `carrier: id` of each hold released; raises WorldError.
        """
        closed = {record.id: record for record in self.ledger.faults(self.stack_id) if not record.open}
        swept: list[str] = []
        for carrier in sorted({carrier for record in closed.values() for carrier in record.carriers}):
            readings, _ = await read_there(self.world, [carrier])  # with what kept it, a late hold is gone too
            for fault_id in sorted(hold for reading in readings.values() for hold in reading["holds"]):
                if fault_id in closed:
                    await self.world.release(carrier, fault_id)
                    swept.append(f"{carrier}: {fault_id}")
                    self._tell(notices.LateHoldReleased(closed[fault_id], str(carrier)))
        return tuple(swept)

    async def try_again(self, record: FaultRecord) -> Reverted:
        """Looks once more for the heal of a fault that was released, or undoes once more one that is stuck or in place."""
        if not record.open:
            return Reverted(record.id, record.step, record.state, "it was undone before")
        fault = self._fault_of(record)
        if record.state == "reverted":
            return await self._confirm(record, fault)
        return await self._undo(record, fault)

    async def _undo(
        self, record: FaultRecord, fault: Fault | None, *, closing: State = "healed", evidence: str = ""
    ) -> Reverted:
        self._move(record, "reverting")
        began_s = self.world.now()
        problem = await self._release(record, fault)
        if problem:
            ended = await gone_with_links(self.world)  # then a carrier that is there cannot do what it has to ask others for
            return self._move(record, "stuck", f"{ended}: {problem}" if ended else problem)
        self._move(record, "reverted")
        if closing == "defended":
            return self._move(record, "defended", evidence)
        return await self._confirm(record, fault, began_s)

    async def _release(self, record: FaultRecord, fault: Fault | None) -> str:
        """Releases the fault's holds on all its carriers, in RELEASE_TRIES attempts; "" on success, else what went wrong.

        One attempt has to do while another fault keeps a node from answering: the next one is made when that fault is undone.
        """
        problems, waits = dict[Carrier, str](), ""
        for attempt in range(RELEASE_TRIES):
            if attempt:
                await self.world.sleep_until(self.world.now() + attempt * self.world.rate)
            problems = await self._release_once(record, fault)
            waits = waits_for(self.ledger, record, problems)
            if waits or not problems:
                break
        self._left[record.id] = tuple(problems)
        told = (f"{carrier}: {problem}" for carrier, problem in problems.items())
        return "; ".join(filter(None, (*told, waits)))

    async def _release_once(self, record: FaultRecord, fault: Fault | None) -> dict[Carrier, str]:
        if fault is not None:
            try:
                await fault.revert(self.world, record.id)
            except Exception as error:  # whatever its own code does, its carriers are released below
                self._tell(notices.ActFailed(record, f"its own revert failed: {type(error).__name__}: {error}"))
        carriers = record.carriers[::-1]
        found = await self.world.together(is_held(self.world, carrier, record.id) for carrier in carriers)
        problems: dict[Carrier, str] = {}
        for carrier, (held, problem) in zip(carriers, found, strict=True):
            try:
                if held:  # released in order: one node may have thrown the next one's switch
                    await self.world.release(carrier, record.id)
            except CarrierGone:
                continue  # with what kept it, the hold is gone too
            except WorldError as error:
                problem = error.message
            if problem:
                problems[carrier] = problem
        return problems

    async def _confirm(self, record: FaultRecord, fault: Fault | None, began_s: float | None = None) -> Reverted:
        """Looks until the heal is proven; `stuck` when it never is and no other fault explains that.

        `began_s` is when the release began (emulated), None when no time is to be measured because other faults came between.
        """
        # With other faults in place the look is often undecidable: do not hold their undo up with a long wait.
        patience_s = IMPATIENCE_S if others_in_place(self.ledger, record) else PATIENCE_S
        found = await heal_look(self.world, self.ledger, record, fault)
        for at_s in moments(self.world, fault, patience_s):
            if found.state == "healed":
                break
            await self.world.sleep_until(at_s)
            found = await heal_look(self.world, self.ledger, record, fault)
        if found.state == "healed":
            took_s = None if began_s is None else (self.world.now() - began_s) / self.world.rate
            return replace(self._move(record, "healed", found.evidence), took_s=took_s)
        if found.state == "later":
            if others_in_place(self.ledger, record):
                return Reverted(record.id, record.step, "reverted", found.evidence)
            return await self._confirm(record, fault)  # another process has just undone what hid the heal
        return self._move(record, "stuck", found.evidence)

    def _move(self, record: FaultRecord, to: State, evidence: str = "") -> Reverted:
        now = self.ledger.advance(record.id, to, evidence=evidence)
        self._tell(notices.UndoStep(record, to, evidence))
        return Reverted(record.id, record.step, now.state, evidence)

    def _fault_of(self, record: FaultRecord) -> Fault | None:
        """The fault object, rebuilt when another process applied it; None when its code cannot be loaded."""
        if record.id not in self._faults and self._make is not None:
            try:
                self._faults[record.id] = self._make(record.kind, record.params)
            except Exception as error:  # a plug-in that is gone or broken must not stop the undo
                self._tell(notices.ActFailed(record, f"its code cannot be loaded, its carriers are released: {error}"))
        return self._faults.get(record.id)


def _plain(value: Any) -> Any:
    """`value` as plain JSON data; types that JSON lacks become strings."""
    return json.loads(json.dumps(value, default=str))
