"""Holds: switches thrown on a node under a fault's id (docs/design.md), their set, and how they survive a restart.

The set is all there is. What a role does follows from it, so a release in any order, repeated or after a restart, ends in
the state that the remaining holds describe. A hold becomes durable before it takes effect and stays so until its effect is
undone: a node that is killed in between comes back held, and the release can be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, ItemsView, Mapping, ValuesView
from dataclasses import dataclass, field, replace
from typing import Any, Self

from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json

Value = Mapping[str, Any]  # what a switch is thrown with, and its report: each switch has its own
Engage = Callable[[str, Value], Awaitable[Value]]
Disengage = Callable[[str, Value], Awaitable[None]]


class Refused(Exception):
    """The system declines a change for a reason of its own: a gate, a freeze. The answer is 409 and a defence."""


class Unreachable(Exception):
    """Another node that the change needs did not do its part. The answer is 503, and what was held stays held."""


class UnknownSwitch(Exception):
    """The role has no such switch."""


@dataclass(frozen=True, slots=True)
class Switch:
    """How a role carries out one kind of hold. `engage` returns a report; `disengage` gets what the hold was."""

    engage: Engage
    disengage: Disengage


@dataclass(frozen=True, slots=True)
class Hold:
    """A switch thrown: `value` is what was asked for, `decided` what the node settled on, `order` grows with each hold."""

    switch: str
    value: Value
    decided: Value = field(default_factory=dict)
    order: int = 0

    @property
    def whole(self) -> dict[str, Any]:
        """All that is known of the hold: what was asked for and what was decided."""
        return {**self.value, **self.decided}

    def asks_for(self, switch: str, value: Value) -> bool:
        return (self.switch, dict(self.value)) == (switch, dict(value))

    def to_json(self) -> dict[str, Any]:
        plain = {"switch": self.switch, "order": self.order}
        return plain | {"value": dict(self.value), "decided": dict(self.decided)}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["switch"]), raw["value"], raw.get("decided", {}), int(raw.get("order", 0)))

    def shown(self) -> dict[str, Any]:
        """The hold without secrets, for answers."""
        return {"switch": self.switch, "value": {key: v for key, v in self.whole.items() if key != "secret"}}


class HoldSet:
    """The holds on one node by fault id, in the order in which they were put."""

    def __init__(self, ports: Ports, *, lifts_others: bool = False) -> None:
        """`lifts_others` is a bug (core/planted.py)."""
        self._ports, self._lifts_others = ports, lifts_others
        self._holds: dict[str, Hold] = {}
        self._newest = 0  # the order of the newest hold that there ever was in this life
        self.switches: Mapping[str, Switch] = {}
        self.reports: dict[str, Value] = {}

    def add(self, switches: Mapping[str, Switch]) -> None:
        """Gives the node switches beside those that it has."""
        assert not set(switches) & set(self.switches), "a switch has one owner"
        self.switches = {**self.switches, **switches}

    def __contains__(self, fault_id: str) -> bool:
        return fault_id in self._holds

    def __getitem__(self, fault_id: str) -> Hold:
        return self._holds[fault_id]

    def items(self) -> ItemsView[str, Hold]:
        return self._holds.items()

    def values(self) -> ValuesView[Hold]:
        return self._holds.values()

    def holds(self, switch: str) -> bool:
        """True while some fault holds the switch."""
        return bool(self._holds) and any(hold.switch == switch for hold in self._holds.values())  # asked for every request

    def held(self, switch: str) -> tuple[Value, ...]:
        """The values of all holds of one switch, oldest first."""
        if not self._holds:  # nearly always
            return ()
        return tuple(hold.whole for hold in self._holds.values() if hold.switch == switch)

    def take_up(self, fault_id: str, record: Json) -> None:
        """Takes a hold up that an earlier life made durable."""
        assert fault_id not in self._holds, "a hold is taken up once, before any is put"
        self._holds[fault_id] = Hold.from_json(record)
        self._newest = max(self._newest, self._holds[fault_id].order)
        self._sort()

    async def put(self, fault_id: str, switch: str, value: Value) -> Value:
        """Throws a switch under that id, in place of what the id held before, and returns the role's report.

        Raises UnknownSwitch, what the switch raises, and Unreachable when the earlier hold could not be undone.
        """
        if switch not in self.switches:
            raise UnknownSwitch(switch)
        known = self._holds.get(fault_id)
        if known is not None and known.asks_for(switch, value):
            return {"unchanged": True}
        await self.release(fault_id)
        return await self._throw(fault_id, Hold(switch, value))

    async def _throw(self, fault_id: str, hold: Hold) -> Value:
        """Puts the hold in place and returns the role's report; when the role raises, the hold is removed again."""
        # Not one more than the holds that are there: one that is being released may come back to its place.
        self._newest += 1
        assert all(other.order < self._newest for other in self._holds.values()), "the order of holds strictly grows"
        self._holds[fault_id] = replace(hold, order=self._newest)
        await self._persist(fault_id)
        try:
            report = dict(await self.switches[hold.switch].engage(fault_id, hold.value))
        except Exception:
            await self._forget(fault_id)
            raise
        self.reports[fault_id] = report
        return report

    async def decide(self, fault_id: str, **decided: object) -> None:
        """Makes durable what a hold means in the end, so that a restart and the release go by the same."""
        hold = self._holds[fault_id]
        self._holds[fault_id] = replace(hold, decided={**hold.decided, **decided})
        assert self._holds[fault_id].order == hold.order, "what is decided later does not reorder holds"
        await self._persist(fault_id)

    async def release(self, fault_id: str) -> None:
        """Undoes a hold, also one that is not there; raises Unreachable, and then the hold stays in place."""
        hold = self._holds.pop(fault_id, None)
        if hold is None:
            return
        assert hold.order <= self._newest, "no hold is newer than the newest"
        try:
            # The hold is out of the set already: the role computes its state from the holds that remain.
            await self.switches[hold.switch].disengage(fault_id, hold.whole)
        except Unreachable:
            self._holds[fault_id] = hold
            self._sort()
            raise
        await self._forget(fault_id)
        if self._lifts_others:
            for other in [known for known, each in self._holds.items() if each.switch == hold.switch]:
                await self.release(other)

    async def _persist(self, fault_id: str) -> None:
        await self._ports.persist(f"hold:{fault_id}", self._holds[fault_id].to_json())

    async def _forget(self, fault_id: str) -> None:
        self._holds.pop(fault_id, None)
        self.reports.pop(fault_id, None)
        await self._ports.persist(f"hold:{fault_id}", None)

    def _sort(self) -> None:
        self._holds = dict(sorted(self._holds.items(), key=lambda item: item[1].order))

    def shown(self) -> dict[str, Any]:
        """Every hold without secrets, for answers."""
        return {fault_id: hold.shown() for fault_id, hold in self._holds.items()}


async def nothing_to_undo(fault_id: str, value: Value) -> None:
    """The disengage of a switch whose effect is computed from the set of holds alone."""


async def nothing_to_do(fault_id: str, value: Value) -> Value:
    """The engage of a switch whose effect is computed from the set of holds alone."""
    return {}


PASSIVE = Switch(nothing_to_do, nothing_to_undo)
