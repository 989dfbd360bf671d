"""The life cycle of a fault, the same for all: intend, apply, observe the bite, revert, observe the heal.

Law: this file awaits nothing but the world's methods and a fault's verbs (which await nothing else either), so the same
life cycle runs under asyncio and on the simulation's own kernel. Waits are on the world's clock.

Proof, both ways. A bite is proven when the fault's own look says `bitten` after applying and did not say so before. A heal
is proven when no carrier holds the fault's id any more and the look says `absent`. Some things make the second look
undecidable and are allowed for: the effect is lasting by nature; it looked bitten before we came; a foreign hold sits on the
carrier (reported, left alone); another fault of ours is still in place. In the last case the fault stays `reverted` and is
confirmed once that one is gone.

Undo never depends on a fault's code: the ledger knows the carriers, and whatever a fault's own `revert` left is released.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from brownout.harness.base.processes import ProcessId
from brownout.harness.errors import Defended, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection import notices
from brownout.harness.injection.ledger import Fenced, IllegalTransition, Ledger
from brownout.harness.injection.ledger_records import FaultRecord, Intent, State
from brownout.harness.world import Carrier, World

PATIENCE_S = 8.0
IMPATIENCE_S = 0.3
FIRST_WAIT_S = 0.02
DEADLINE_SLACK_S = 30.0
LONGEST_HOLD_S = 6 * 3600.0
RELEASE_TRIES = 3

Tell = Callable[[notices.Notice], None]
Make = Callable[[str, Mapping[str, Any]], Fault]


@dataclass(frozen=True, slots=True)
class Applied:
    """How an apply ended. `applied` means in place without a proven bite (yet), `evidence` says why.

    `began_s`, `applied_s` and `bitten_s` are emulated times: just before the apply, just after it, and of the look that proved
    the bite. `took_s` is network time from the first to the last. `foreign` lists holds of others, `carrier: id`.
    """

    fault_id: str
    step: str
    state: Literal["bitten", "applied", "defended"]
    evidence: str
    began_s: float
    applied_s: float | None = None
    bitten_s: float | None = None
    foreign: tuple[str, ...] = ()
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reverted:
    """How an undo ended: `healed`, `defended` (nothing was held), `reverted` (released, look undecided) or `stuck`.

    `took_s` is network time from just before the release to the look that proved the heal.
    """

    fault_id: str
    step: str
    state: State
    evidence: str
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look after a revert: the verdict on it, and why."""

    state: Literal["healed", "later", "not-yet"]
    evidence: str


class LifeCycle:
    """Takes faults of one stack through their lives, in the epoch that the stack has when this is made.

    `tell` gets a notice of everything that happens. `make` rebuilds faults that an earlier process applied. `holder` is the
    process that owns what is applied here, where that is not the stack's owner.
    """

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        stack_id: str,
        tell: Tell,
        *,
        make: Make | None = None,
        holder: ProcessId | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world, self.ledger, self.stack_id = world, ledger, stack_id
        self.epoch = ledger.stack(stack_id).epoch
        self._tell, self._make, self._holder, self._monotonic = tell, make, holder, monotonic
        self._faults: dict[str, Fault] = {}

    async def inject(self, step: str, fault: Fault, *, until_s: float | None = None, patience_s: float = PATIENCE_S) -> Applied:
        """Intends, applies and awaits the bite; raises what `intend` and `apply` raise."""
        record = await self.intend(step, fault, until_s=until_s)
        applied = await self.apply(record, fault)
        return applied if applied.state == "defended" else await self.await_bite(record, fault, applied, patience_s=patience_s)

    async def intend(self, step: str, fault: Fault, *, until_s: float | None = None) -> FaultRecord:
        """Writes to the ledger what is about to be done, and returns its row.

        `until_s` is the emulated time at which the schedule ends it (the guardian ends it soon after, if we do not; without
        one it does so after LONGEST_HOLD_S of real time). Raises UsageError for a target that the stack does not have, Fenced
        and LedgerError. Nothing is touched in any case.
        """
        carriers = fault.carriers(self.world.spec)
        baseline = {str(carrier): dict(await self.world.read(carrier)) for carrier in carriers}
        before = await _look(self.world, fault)
        intent = Intent(
            step=step,
            kind=fault.kind,
            params=fault.model_dump(mode="json"),
            carriers=carriers,
            baseline=_plain({"carriers": baseline, "looked": before.state, "evidence": before.evidence}),
            deadline_s=self._deadline_s(until_s),
            holder=self._holder,
        )
        record = self.ledger.intend(self.stack_id, self.epoch, intent)
        self._faults[record.id] = fault
        self._tell(notices.Intended(record, fault.describe(), before.state))
        return record

    async def apply(self, record: FaultRecord, fault: Fault) -> Applied:
        """Puts an intended fault in place: `applied`, or `defended` when the system refused it and nothing is held.

        Raises WorldError and Fenced once what was done is undone. Cancelling it could let a hold arrive after its undo.
        """
        foreign = self._foreign(record.baseline["carriers"])
        if foreign:
            self._tell(notices.ForeignHolds(record, foreign))
        began_s = self.world.now()
        try:
            self.ledger.check(self.stack_id, self.epoch)  # again: the intent's fsync may have taken long
            began_s = self.world.now()
            await fault.apply(self.world, record.id)
            try:
                self.ledger.advance(record.id, "applied")
            except IllegalTransition as undone:
                raise Fenced(f"{record.id} was undone by another process while it was being applied") from undone
        except Defended as defended:
            await self._undo(record, fault, closing="defended", evidence=defended.reason)
            return Applied(record.id, record.step, "defended", defended.reason, began_s, foreign=foreign)
        except (WorldError, Fenced) as error:
            self._tell(notices.ActFailed(record, str(error)))
            await self._undo(record, fault)
            raise
        applied_s = self.world.now()
        self._tell(notices.InPlace(record, fault.settles_s(self.world.spec) / self.world.rate))
        return Applied(record.id, record.step, "applied", "no look was taken yet", began_s, applied_s, foreign=foreign)

    async def await_bite(
        self, record: FaultRecord, fault: Fault, applied: Applied, *, patience_s: float = PATIENCE_S
    ) -> Applied:
        """Looks until the fault is seen to bite, for at most `patience_s` of network time; 0 takes one look."""
        seen = await _look(self.world, fault)
        for at_s in _moments(self.world, fault, patience_s):
            if seen.state == "bitten" or _looked_bitten_before(record):
                break
            await self.world.sleep_until(at_s)
            seen = await _look(self.world, fault)
        bitten_s = self.world.now()
        why_not = self._bite(record, seen)
        if why_not:
            self._tell(notices.BiteMissing(record, why_not))
            return replace(applied, evidence=why_not)
        took_s = (bitten_s - applied.began_s) / self.world.rate
        return replace(applied, state="bitten", evidence=seen.evidence, bitten_s=bitten_s, took_s=took_s)

    def _deadline_s(self, until_s: float | None) -> float:
        """The real moment at which the guardian ends the fault; emulated time only says how far away that is."""
        if until_s is None:
            return self._monotonic() + LONGEST_HOLD_S
        return self._monotonic() + max(0.0, until_s - self.world.now()) / self.world.rate + DEADLINE_SLACK_S

    def _bite(self, record: FaultRecord, seen: Observation) -> str:
        """Records a proven bite and returns "", else why `seen` proves none."""
        if _looked_bitten_before(record):
            return f"no bite can be proven, it looked the same before: {record.baseline['evidence']}"
        if seen.state != "bitten":
            return seen.evidence
        try:
            self.ledger.advance(record.id, "bitten", evidence=seen.evidence)
        except (Fenced, IllegalTransition) as error:
            return f"another process is undoing it ({error})"
        self._tell(notices.BiteSeen(record, seen.evidence, dict(seen.detail or {})))
        return ""

    async def revert(self, fault_id: str) -> Reverted:
        """Takes one fault away and looks for the heal. Safe to repeat; a fault that cannot be undone is `stuck`, not raised."""
        record = self.ledger.fault(fault_id)
        if not record.open:
            return Reverted(record.id, record.step, record.state, "it was undone before")
        fault = self._fault_of(record)
        if fault is not None and record.state == "applied":
            self._bite(record, await _look(self.world, fault))  # it may have bitten since; this is the last moment to see it
        return await self._undo(record, fault)

    async def revert_all(self, only: Collection[str] | None = None) -> tuple[Reverted, ...]:
        """Takes every open fault of the stack away (of `only` those), latest first; one that fails never stops the others.

        What was stuck or undecided gets a second chance once the others are gone, also what was undecided before.
        """
        ended: dict[str, Reverted] = {}
        for record in reversed(self.ledger.open_faults(self.stack_id)):
            if only is None or record.id in only:
                ended[record.id] = await self.revert(record.id)
        for record in reversed(self.ledger.open_faults(self.stack_id)):
            if record.id in ended or (record.state == "reverted" and not self._others_in_place(record)):
                ended[record.id] = await self._second_chance(record)
        return tuple(ended.values())

    async def sweep(self) -> tuple[str, ...]:
        """Releases holds of ours that the ledger believes undone: left by an owner that was fenced in mid-apply.

        To be run once that owner is dead. Returns `carrier: id` of each; raises WorldError.
        """
        closed = {record.id: record for record in self.ledger.faults(self.stack_id) if not record.open}
        swept: list[str] = []
        for carrier in sorted({carrier for record in closed.values() for carrier in record.carriers}):
            for fault_id in sorted(await _holds(self.world, carrier)):
                if fault_id in closed:
                    await self.world.release(carrier, fault_id)
                    swept.append(f"{carrier}: {fault_id}")
                    self._tell(notices.LateHoldReleased(closed[fault_id], str(carrier)))
        return tuple(swept)

    async def _second_chance(self, record: FaultRecord) -> Reverted:
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
            return self._move(record, "stuck", problem)
        self._move(record, "reverted")
        if closing == "defended":
            return self._move(record, "defended", evidence)
        return await self._confirm(record, fault, began_s)

    async def _release(self, record: FaultRecord, fault: Fault | None) -> str:
        """Releases everything that the fault may hold; "" when nothing is held any more, else what went wrong."""
        problem = ""
        for attempt in range(RELEASE_TRIES):
            if attempt:
                await self.world.sleep_until(self.world.now() + attempt * self.world.rate)
            problem = await self._release_once(record, fault)
            if not problem:
                break
        return problem

    async def _release_once(self, record: FaultRecord, fault: Fault | None) -> str:
        problems: list[str] = []
        if fault is not None:
            try:
                await fault.revert(self.world, record.id)
            except Exception as error:  # whatever its own code does, its carriers are released below
                self._tell(notices.ActFailed(record, f"its own revert failed: {type(error).__name__}: {error}"))
        for carrier in reversed(record.carriers):
            try:
                if record.id in await _holds(self.world, carrier):
                    await self.world.release(carrier, record.id)
            except WorldError as error:
                problems.append(f"{carrier}: {error.message}")
        return "; ".join(problems)

    async def _confirm(self, record: FaultRecord, fault: Fault | None, began_s: float | None = None) -> Reverted:
        """Looks until the heal is proven; `stuck` when it never is and nothing else explains that.

        `began_s`: when the release began, where a wait for other faults does not lie in between.
        """
        patience_s = IMPATIENCE_S if self._others_in_place(record) else PATIENCE_S
        look = await self._heal_look(record, fault)
        for at_s in _moments(self.world, fault, patience_s):
            if look.state == "healed":
                break
            await self.world.sleep_until(at_s)
            look = await self._heal_look(record, fault)
        if look.state == "healed":
            took_s = None if began_s is None else (self.world.now() - began_s) / self.world.rate
            return replace(self._move(record, "healed", look.evidence), took_s=took_s)
        if look.state == "later":
            return Reverted(record.id, record.step, "reverted", look.evidence)
        return self._move(record, "stuck", look.evidence)

    async def _heal_look(self, record: FaultRecord, fault: Fault | None) -> _Look:
        """One look after the release. The first line that fits decides:

        what is seen                                          verdict
        a carrier cannot be read                              later, if another fault of ours may be why; else not yet
        a carrier still has the fault's id                    not yet
        its own look proves nothing: its code is not there,   healed: that no carrier has the id is all there is to see
        it lasts by nature, or it looked bitten before
        the look says `absent`                                healed
        the effect shows, another fault of ours is in place   later: the other may cause it
        the effect shows, a foreign hold is on a carrier      healed: the foreign one causes it, and is left alone
        the effect shows, and nothing explains it             not yet
        """
        try:
            readings = {str(carrier): await self.world.read(carrier) for carrier in record.carriers}
        except WorldError as error:
            return _Look("later" if self._others_in_place(record) else "not-yet", error.message)
        residue = [carrier for carrier, reading in readings.items() if record.id in reading["holds"]]
        if residue:
            return _Look("not-yet", f"still held on {', '.join(residue)}")
        if fault is None or fault.lasting or _looked_bitten_before(record):
            return _Look("healed", "no carrier holds it any more; a look cannot tell more")
        seen = await _look(self.world, fault)
        if seen.state == "absent":
            return _Look("healed", seen.evidence)
        if self._others_in_place(record):
            return _Look("later", f"released, while other faults are in place: {seen.evidence}")
        foreign = self._foreign(readings)
        if foreign:
            return _Look("healed", f"released; held by others and left alone: {', '.join(foreign)}")
        return _Look("not-yet", f"released, yet its effect stays: {seen.evidence}")

    def _others_in_place(self, record: FaultRecord) -> bool:
        """True while another fault of the stack may hold something."""
        rows = self.ledger.open_faults(self.stack_id)
        return any(row.id != record.id and row.in_place for row in rows)

    def _move(self, record: FaultRecord, to: State, evidence: str = "") -> Reverted:
        now = self.ledger.advance(record.id, to, evidence=evidence)
        self._tell(notices.UndoStep(record, to, evidence))
        return Reverted(record.id, record.step, now.state, evidence)

    def _fault_of(self, record: FaultRecord) -> Fault | None:
        """The fault object, rebuilt when another process applied it; None when its code is not there any more."""
        if record.id not in self._faults and self._make is not None:
            try:
                self._faults[record.id] = self._make(record.kind, record.params)
            except Exception as error:  # a plug-in that is gone or broken must not stop the undo
                self._tell(notices.ActFailed(record, f"its code cannot be loaded, its carriers are released: {error}"))
        return self._faults.get(record.id)

    def _foreign(self, readings: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
        """What others did to carriers: holds of ids that the stack's ledger does not know, and what the world calls foreign."""
        ours = {row.id for row in self.ledger.faults(self.stack_id)}
        return tuple(
            f"{carrier}: {found}"
            for carrier, reading in readings.items()
            for found in (*reading["holds"], *reading.get("foreign", ()))
            if found not in ours
        )


def _looked_bitten_before(record: FaultRecord) -> bool:
    return bool(record.baseline.get("looked") == "bitten")


def _plain(value: Any) -> Any:
    """`value` as JSON has it; what JSON lacks becomes text."""
    return json.loads(json.dumps(value, default=str))


async def _look(world: World, fault: Fault) -> Observation:
    """The fault's own look; `unclear` when the world could not be asked."""
    try:
        return await fault.observe(world)
    except WorldError as error:
        return Observation("unclear", f"it could not be looked at: {error.message}")


async def _holds(world: World, carrier: Carrier) -> Mapping[str, Any]:
    holds: Mapping[str, Any] = (await world.read(carrier))["holds"]
    return holds


def _moments(world: World, fault: Fault | None, patience_s: float) -> Iterator[float]:
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
