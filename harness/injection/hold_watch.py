"""The watch over faults in force: looks between bite and revert, so that no fault is lost unseen.

Law: as in lifecycle, nothing is awaited here but the world's methods and a fault's verbs.

Theory. Two things are looked at. The *carriers* say whether the hold is still there under the fault's id, and whether the
carrier is in the state that its holds ask for (`lacking`). That is cheap, and a hold that is missing there is lost for certain.
The *effect* is the fault's own observation. It also sees what no carrier can say, such as a build that another client changed.
But other faults can hide it, so a look without the effect counts only when none has come or gone since the last look that saw
it, and only when a second look agrees.

Cost. A fault is looked at a bounded number of times however long it is held, and never more often than every LOOK_GAP_S of
network time. The effect's look is taken only where it ends before the schedule goes on, going by how long the last one took;
so a slow look never makes a later step late. The last one is timed to end just before the revert. A switch on a node that
another fault of ours holds is not asked: it would not answer for seconds, and for a known reason.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from brownout.harness.errors import WorldError
from brownout.harness.fault import Fault
from brownout.harness.injection import notices
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.looks import look, others_in_place
from brownout.harness.world import Carrier, World

CARRIER_LOOKS, EFFECT_LOOKS = 16, 4  # in one hold, evenly spread; one more of the effect right before the revert
LOOK_GAP_S = 2.0  # network time: as often as a run's lease is renewed
CONFIRM_S = 0.3  # network time between a look without the effect and the one that must agree
LONGEST_LAST_S = 3.0  # network time: an effect that takes longer to look at does not hold a revert up
IN_PLACE = ("applied", "bitten")

Beside = frozenset[tuple[str, bool]]


@dataclass(slots=True)
class _Held:
    """A fault in force. Times are emulated; `beside`: the other faults at the last look that saw the effect."""

    record: FaultRecord
    fault: Fault
    began_s: float
    until_s: float
    seen_s: float
    carriers_due_s: float
    effect_due_s: float
    look_s: float
    effect_s: float | None = None  # the last look that saw the effect
    beside: Beside | None = None
    doubt: str = ""  # what the last look did not find; a loss is claimed only when two looks in a row agree
    doubts: Literal["", "carriers", "effect"] = ""

    @property
    def length_s(self) -> float:
        return max(0.0, self.until_s - self.began_s)


class Missing(Exception):
    """The hold is not in force on its carriers; the message says what was found."""


@dataclass(slots=True)
class HoldWatch:
    """The faults in force that this process applied. `lost` has, by fault id, how each lost one was found to be lost.

    Those of them that another process with this ledger reverted are in `undone_by_others`.
    """

    world: World
    ledger: Ledger
    stack_id: str
    tell: notices.Tell
    lost: dict[str, notices.HoldLost] = field(default_factory=dict)
    undone_by_others: set[str] = field(default_factory=set)
    _held: dict[str, _Held] = field(default_factory=dict)

    def begin(self, record: FaultRecord, fault: Fault, *, until_s: float, bitten: bool, look_s: float) -> None:
        """Starts watching a fault that was just put in place, to be reverted at `until_s` (emulated).

        `bitten`: its effect was just seen. `look_s`: the emulated time that such a look took.
        """
        now_s = self.world.now()
        held = _Held(record, fault, now_s, until_s, now_s, now_s, now_s, look_s)
        if bitten:
            held.effect_s, held.beside = now_s, self._beside(record)
        self._held[record.id] = held
        self._plan(held)

    def revisit(self, record: FaultRecord, fault: Fault) -> None:
        """Has `finish` look at a fault that another process put in place and no process watched.

        Only its carriers are looked at where other faults may hide its effect, and on links: what they say is all there is to
        see, and a look over a slow link would hold the revert up for minutes. How long a look takes is not written down, but
        the one that saw the bite took no longer than the bite.
        """
        seeable = any(carrier.kind != "link" for carrier in record.carriers) and not others_in_place(self.ledger, record)
        bitten = record.state == "bitten" and seeable
        now_s, wall_s = self.world.now(), time.time()
        steps = {state: at_s for state, at_s, _ in self.ledger.transitions(record.id)}
        stood_s = steps.get("bitten", steps.get("applied", wall_s))
        bite_s = max(0.0, stood_s - steps.get("applied", stood_s))
        self.begin(record, fault, until_s=now_s, bitten=bitten, look_s=bite_s * self.world.rate)
        held = self._held[record.id]
        held.seen_s = held.began_s = now_s - (wall_s - stood_s) * self.world.rate
        held.effect_s = held.began_s if bitten else None

    def next_s(self) -> float:
        """The emulated time of the next look that is due; infinite when none is."""
        return min((min(held.carriers_due_s, held.effect_due_s) for held in self._held.values()), default=float("inf"))

    async def look_due(self, before_s: float) -> None:
        """Takes the looks that are due, those at effects only as far as they end by `before_s` (emulated)."""
        for held in tuple(self._held.values()):
            now_s = self.world.now()
            if min(held.carriers_due_s, held.effect_due_s) > now_s:
                continue
            fits = now_s + 1.25 * held.look_s <= before_s
            await self._look(held, effect=fits and held.effect_due_s <= now_s)
            self._plan(held)

    async def finish(self, fault_id: str) -> notices.HoldLost | None:
        """The last look before a revert, after which the fault is no longer watched; how it was lost, if it was."""
        held = self._held.get(fault_id)
        if held is not None:
            await self._look(held, effect=self._wants_last(held))
            if held.doubts and fault_id in self._held:
                await self.world.sleep_until(self.world.now() + CONFIRM_S * self.world.rate)
                await self._look(held, effect=True)
            if held.doubts and fault_id in self._held:
                self._lose(held, held.doubt, held.seen_s)
            if self._held.pop(fault_id, None) is not None:
                self.tell(notices.HoldSeen(held.record, held.seen_s, "held until it was reverted"))
        return self.lost.get(fault_id)

    def _wants_last(self, held: _Held) -> bool:
        """Whether the effect is worth another look at the revert: the last one is old, or left a doubt."""
        if held.look_s > LONGEST_LAST_S * self.world.rate or held.look_s > held.length_s / 4:
            return False
        age_s = self.world.now() - (held.began_s if held.effect_s is None else held.effect_s)
        return bool(held.doubts) or age_s > max(3 * held.look_s, held.length_s / (2 * EFFECT_LOOKS))

    def _plan(self, held: _Held) -> None:
        """When to look next."""
        now_s, gap_s = self.world.now(), LOOK_GAP_S * self.world.rate
        held.carriers_due_s = now_s + max(gap_s, held.length_s / CARRIER_LOOKS)
        if held.effect_due_s <= now_s:
            held.effect_due_s = now_s + max(gap_s, held.length_s / (EFFECT_LOOKS + 1))
            last_s = held.until_s - 2 * held.look_s
            if now_s < last_s < held.effect_due_s + held.look_s:
                held.effect_due_s = last_s
        if held.doubts:
            held.carriers_due_s = held.effect_due_s = now_s + CONFIRM_S * self.world.rate

    async def _look(self, held: _Held, *, effect: bool) -> None:
        """One look: at the carriers, and at the effect when asked to and when it can tell something.

        Whatever goes wrong in it, such as a fault's own code, becomes a loss: no exception may keep the revert from following.
        """
        try:
            await self._look_once(held, effect=effect)
        except Exception as error:
            self._lose(held, f"it could not be looked at: {type(error).__name__}: {error}", held.seen_s)

    async def _look_once(self, held: _Held, *, effect: bool) -> None:
        if not self._in_place(held):
            self._lose(held, self._undone_by_other(held), held.seen_s)
            return
        try:
            await self._look_at_carriers(held)
        except Missing as missing:
            self._lose(held, str(missing) if self._in_place(held) else self._undone_by_other(held), held.seen_s)
            return
        except WorldError as error:
            self._doubt(held, "carriers", f"it cannot be seen any more: {error.message}", held.seen_s)
            return
        held.seen_s = self.world.now()
        if held.doubts == "carriers":
            held.doubts = ""
        if not effect:
            return
        if self._can_tell(held):
            await self._look_at_effect(held)
        else:
            held.doubts = ""

    def _in_place(self, held: _Held) -> bool:
        return self.ledger.fault(held.record.id).state in IN_PLACE

    async def _look_at_carriers(self, held: _Held) -> None:
        """Raises Missing when a carrier does not have the hold or is not in its state, WorldError when it cannot be read."""
        away = self._away(held)
        asked = [carrier for carrier in held.record.carriers if carrier.kind != "control" or carrier.name not in away]
        one = asked[0] if len(asked) == 1 else None  # as of most faults, which needs no company
        readings = await self.world.together(map(self.world.read, asked)) if one is None else [await self.world.read(one)]
        for carrier, reading in zip(asked, readings, strict=True):
            problem = _missing(held.record.id, held.fault, self.world, carrier, reading)
            if problem:
                raise Missing(f"{carrier} {problem}")

    async def _look_at_effect(self, held: _Held) -> None:
        began_s, beside = self.world.now(), self._beside(held.record)
        seen = await look(self.world, held.fault)
        held.look_s = self.world.now() - began_s
        if seen.state == "bitten":
            held.effect_s = held.seen_s = self.world.now()
            held.beside, held.doubts = beside, ""
            self.tell(notices.HoldSeen(held.record, held.seen_s, seen.evidence))
        elif seen.idle or beside != held.beside:
            held.doubts = ""  # nothing is there to show it, or another fault of ours may hide it
        elif not self._in_place(held):
            self._lose(held, self._undone_by_other(held), held.seen_s)
        else:
            assert held.effect_s is not None, "only an effect that was seen is looked at again"
            self._doubt(held, "effect", f"its effect is gone: {seen.evidence}", held.effect_s)

    def _can_tell(self, held: _Held) -> bool:
        """Whether a look at the effect can tell anything: it was seen before, and no other fault has come or gone since.

        After a change it can tell that the effect still shows; where nodes are away it may hang instead, and is left out.
        """
        return held.beside is not None and (held.beside == self._beside(held.record) or not self._away(held))

    def _doubt(self, held: _Held, what: Literal["carriers", "effect"], evidence: str, seen_s: float) -> None:
        """Notes a look that found nothing; the second in a row means that the fault is lost."""
        if what == "carriers" and others_in_place(self.ledger, held.record) and self._beside(held.record) != held.beside:
            return  # another fault of ours may be the reason
        if held.doubts:
            self._lose(held, evidence, seen_s)
        held.doubts, held.doubt = what, evidence

    def _lose(self, held: _Held, evidence: str, seen_s: float) -> None:
        if self._held.pop(held.record.id, None) is not None:
            self.lost[held.record.id] = lost = notices.HoldLost(held.record, seen_s, evidence)
            self.tell(lost)

    def _undone_by_other(self, held: _Held) -> str:
        """When another process undid the fault, as the ledger has it."""
        self.undone_by_others.add(held.record.id)
        steps = self.ledger.transitions(held.record.id)
        undone_s = next(wall_s for state, wall_s, _ in steps if state == "reverting")  # no other state follows those in place
        return f"another process reverted it at {time.strftime('%H:%M:%S', time.gmtime(undone_s))} UTC (now {steps[-1][0]})"

    def nodes_held(self) -> frozenset[str]:
        """The nodes that faults of the stack may hold now: killed or paused, they answer no request."""
        rows = self.ledger.open_faults(self.stack_id)
        if not rows:  # nearly always
            return frozenset()
        return frozenset(each.name for row in rows if row.in_place for each in row.carriers if each.kind == "node")

    def _beside(self, record: FaultRecord) -> Beside:
        """Every other fault of the stack and whether it is in place: the same again only when none has come or gone."""
        rows = self.ledger.faults(self.stack_id)
        return frozenset((row.id, row.in_place) for row in rows if row.id != record.id)

    def _away(self, held: _Held) -> frozenset[str]:
        """The nodes that other faults of ours hold."""
        carriers = (carrier for row in others_in_place(self.ledger, held.record) for carrier in row.carriers)
        return frozenset(carrier.name for carrier in carriers if carrier.kind == "node")


def _missing(fault_id: str, fault: Fault, world: World, carrier: Carrier, reading: Mapping[str, Any]) -> str:
    """What of the hold is not in force on its carrier, "" when all is."""
    held = reading["holds"].get(fault_id)
    if held is None:
        return "does not hold it any more"
    # A fault with an apply of its own decides itself what it puts there; so does a node that throws the next one's switch.
    if carrier.kind != "control" and type(fault).apply is Fault.apply:
        wanted = fault.state(world.spec, carrier).to_json()
        changed = [key for key, value in wanted.items() if held.get(key) != value]
        if changed:
            return f"holds something else under its name ({', '.join(f'{key} {held.get(key)}' for key in changed)})"
    return "; ".join(reading.get("lacking", ()))
