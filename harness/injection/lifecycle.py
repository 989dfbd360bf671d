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

from brownout.harness.errors import Defended, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection.lease import Owner
from brownout.harness.injection.ledger import Fenced, IllegalTransition, Ledger
from brownout.harness.injection.ledger_records import FaultRecord, Intent, State
from brownout.harness.world import Carrier, World

PATIENCE_S = 8.0
IMPATIENCE_S = 0.3
FIRST_WAIT_S = 0.02
DEADLINE_SLACK_S = 30.0
LONGEST_HOLD_S = 6 * 3600.0
RELEASE_TRIES = 3

Notice = Callable[[str, str, Mapping[str, Any]], None]
Make = Callable[[str, Mapping[str, Any]], Fault]


@dataclass(frozen=True, slots=True)
class Applied:
    """How an apply ended. `applied` means in place without a proven bite, `evidence` says why.

    `applied_s` and `bitten_s` are emulated times; `foreign` lists holds of others on the carriers, `carrier: id`.
    `took_s` is network time from just before the apply to the look that proved the bite.
    """

    fault_id: str
    step: str
    state: Literal["bitten", "applied", "defended"]
    evidence: str
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


def faults_from_ledger(ledger: Ledger, stack_id: str, make: Make) -> tuple[tuple[FaultRecord, Fault], ...]:
    """The stack's open faults with the fault objects that their rows describe, oldest first; raises what `make` does."""
    return tuple((record, make(record.kind, record.params)) for record in ledger.open_faults(stack_id))


class LifeCycle:
    """Takes faults of one stack through their lives, in the epoch that the stack has when this is made.

    `notice(what, step, detail)` is told of every transition: the ledger's states (with `released` for `reverted`), and
    `absent` (applied, no bite seen), `failed`, `foreign`, `swept`. `make` rebuilds faults that an earlier process applied.
    `holder` is who keeps what is applied here, where that is not the stack's owner.
    """

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        stack_id: str,
        notice: Notice,
        *,
        make: Make | None = None,
        holder: Owner | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.world, self.ledger, self.stack_id = world, ledger, stack_id
        self.epoch = ledger.stack(stack_id).epoch
        self._notice, self._make, self._holder, self._monotonic = notice, make, holder, monotonic
        self._faults: dict[str, Fault] = {}

    # forward

    async def apply(self, step: str, fault: Fault, *, until_s: float | None = None, patience_s: float = PATIENCE_S) -> Applied:
        """Puts `fault` in place and waits until it is seen to bite.

        `until_s` is the emulated time at which the schedule ends it (the guardian ends it soon after, if we do not; without
        one it does so after LONGEST_HOLD_S of real time).
        `patience_s` is how long a bite is awaited, in network time; 0 takes one look. Raises UsageError for a target that
        the stack does not have, Fenced and LedgerError with nothing touched, WorldError once what was done is undone.
        """
        record = await self._intend(step, fault, until_s)
        foreign = self._report_foreign(record)
        began_s = self.world.now()
        try:
            self.ledger.check(self.stack_id, self.epoch)  # again: the intent's fsync may have taken long
            began_s = self.world.now()
            await fault.apply(self.world, record.id)
            self._applied(record)
        except Defended as defended:
            await self._undo(record, fault, closing="defended", evidence=defended.reason)
            return Applied(record.id, step, "defended", defended.reason, foreign=foreign)
        except (WorldError, Fenced) as error:
            self._tell("failed", record, evidence=str(error))
            await self._undo(record, fault)
            raise
        applied_s = self.world.now()
        self._tell("applied", record, carriers=[str(carrier) for carrier in record.carriers])
        applied = await self._await_bite(record, fault, applied_s, foreign, patience_s)
        return applied if applied.bitten_s is None else replace(applied, took_s=self._network_s(applied.bitten_s - began_s))

    def _applied(self, record: FaultRecord) -> None:
        try:
            self.ledger.advance(record.id, "applied")
        except IllegalTransition as undone:
            raise Fenced(f"{record.id} was undone by somebody else while it was being applied") from undone

    def _network_s(self, emulated_s: float) -> float:
        return emulated_s / self.world.rate

    async def _intend(self, step: str, fault: Fault, until_s: float | None) -> FaultRecord:
        carriers = fault.carriers(self.world.spec)
        baseline = {str(carrier): dict(await self.world.read(carrier)) for carrier in carriers}
        before = await self._look(fault)
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
        self._tell("intended", record, describe=fault.describe(), before=before.state)
        return record

    def _deadline_s(self, until_s: float | None) -> float:
        """The real moment at which the guardian ends the fault; emulated time only says how far away that is."""
        if until_s is None:
            return self._monotonic() + LONGEST_HOLD_S
        return self._monotonic() + max(0.0, until_s - self.world.now()) / self.world.rate + DEADLINE_SLACK_S

    async def _await_bite(
        self, record: FaultRecord, fault: Fault, applied_s: float, foreign: tuple[str, ...], patience_s: float
    ) -> Applied:
        seen = await self._look(fault)
        for at_s in self._moments(fault, patience_s):
            if seen.state == "bitten" or _looked_bitten_before(record):
                break
            await self.world.sleep_until(at_s)
            seen = await self._look(fault)
        seen_s = self.world.now()
        why_not = self._bite(record, seen)
        if not why_not:
            return Applied(record.id, record.step, "bitten", seen.evidence, applied_s, seen_s, foreign)
        self._tell("absent", record, evidence=why_not)
        return Applied(record.id, record.step, "applied", why_not, applied_s, None, foreign)

    def _bite(self, record: FaultRecord, seen: Observation) -> str:
        """Records a proven bite and returns "", else why `seen` proves none."""
        if _looked_bitten_before(record):
            return f"no bite can be proven, it looked the same before: {record.baseline['evidence']}"
        if seen.state != "bitten":
            return seen.evidence
        try:
            self.ledger.advance(record.id, "bitten", evidence=seen.evidence)
        except (Fenced, IllegalTransition) as error:
            return f"somebody else is undoing it ({error})"
        self._tell("bitten", record, evidence=seen.evidence, looks=dict(seen.detail or {}))
        return ""

    # back

    async def revert(self, fault_id: str) -> Reverted:
        """Takes one fault away and looks for the heal. Safe to repeat; a fault that cannot be undone is `stuck`, not raised."""
        record = self.ledger.fault(fault_id)
        if not record.open:
            return Reverted(record.id, record.step, record.state, "it was undone before")
        fault = self._fault_of(record)
        if fault is not None and record.state == "applied":
            self._bite(record, await self._look(fault))  # it may have bitten since; this is the last moment to see it
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
            for fault_id in sorted(await self._holds(carrier)):
                if fault_id in closed:
                    await self.world.release(carrier, fault_id)
                    swept.append(f"{carrier}: {fault_id}")
                    self._tell("swept", closed[fault_id], carrier=str(carrier))
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
                self._tell("failed", record, evidence=f"its own revert failed: {type(error).__name__}: {error}")
        for carrier in reversed(record.carriers):
            try:
                if record.id in await self._holds(carrier):
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
        for at_s in self._moments(fault, patience_s):
            if look.state == "healed":
                break
            await self.world.sleep_until(at_s)
            look = await self._heal_look(record, fault)
        if look.state == "healed":
            took_s = None if began_s is None else self._network_s(self.world.now() - began_s)
            return replace(self._move(record, "healed", look.evidence), took_s=took_s)
        if look.state == "later":
            return Reverted(record.id, record.step, "reverted", look.evidence)
        return self._move(record, "stuck", look.evidence)

    async def _heal_look(self, record: FaultRecord, fault: Fault | None) -> _Look:
        try:
            readings = {str(carrier): await self.world.read(carrier) for carrier in record.carriers}
        except WorldError as error:
            return _Look("later" if self._others_in_place(record) else "not-yet", error.message)
        residue = [carrier for carrier, reading in readings.items() if record.id in reading["holds"]]
        if residue:
            return _Look("not-yet", f"still held on {', '.join(residue)}")
        if fault is None or fault.lasting or _looked_bitten_before(record):
            return _Look("healed", "no carrier holds it any more; a look cannot tell more")
        seen = await self._look(fault)
        if seen.state == "absent":
            return _Look("healed", seen.evidence)
        if self._others_in_place(record):
            return _Look("later", f"released, while other faults are in place: {seen.evidence}")
        foreign = self._foreign(readings)
        if foreign:
            return _Look("healed", f"released; held by others and left alone: {', '.join(foreign)}")
        return _Look("not-yet", f"released, yet its effect stays: {seen.evidence}")

    # helpers

    def _others_in_place(self, record: FaultRecord) -> bool:
        """True while another fault of the stack may hold something."""
        rows = self.ledger.open_faults(self.stack_id)
        return any(row.id != record.id and row.in_place for row in rows)

    def _move(self, record: FaultRecord, to: State, evidence: str = "") -> Reverted:
        now = self.ledger.advance(record.id, to, evidence=evidence)
        self._tell("released" if to == "reverted" else to, record, evidence=evidence)
        return Reverted(record.id, record.step, now.state, evidence)

    def _tell(self, what: str, record: FaultRecord, **detail: Any) -> None:
        self._notice(what, record.step, {"fault_id": record.id, "fault": record.kind, **detail})

    async def _look(self, fault: Fault) -> Observation:
        try:
            return await fault.observe(self.world)
        except WorldError as error:
            return Observation("unclear", f"it could not be looked at: {error.message}")

    async def _holds(self, carrier: Carrier) -> Mapping[str, Any]:
        holds: Mapping[str, Any] = (await self.world.read(carrier))["holds"]
        return holds

    def _moments(self, fault: Fault | None, patience_s: float) -> Iterator[float]:
        """Emulated times of further looks: close together at first, then further apart, none after the patience ends."""
        if patience_s <= 0:
            return
        start_s = self.world.now()
        wait_s = FIRST_WAIT_S * self.world.rate
        end_s = start_s + patience_s * self.world.rate + (fault.settles_s(self.world.spec) if fault is not None else 0.0)
        longest_s = (end_s - start_s) / 16
        while (at_s := self.world.now() + wait_s) <= end_s:
            yield at_s
            wait_s = min(2 * wait_s, longest_s)

    def _fault_of(self, record: FaultRecord) -> Fault | None:
        """The fault object, rebuilt when another process applied it; None when its code is not there any more."""
        if record.id not in self._faults and self._make is not None:
            try:
                self._faults[record.id] = self._make(record.kind, record.params)
            except Exception as error:  # a plug-in that is gone or broken must not stop the undo
                self._tell("failed", record, evidence=f"its code cannot be loaded, its carriers are released: {error}")
        return self._faults.get(record.id)

    def _report_foreign(self, record: FaultRecord) -> tuple[str, ...]:
        foreign = self._foreign(record.baseline["carriers"])
        if foreign:
            self._tell("foreign", record, holds=list(foreign))
        return foreign

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
