"""capacity: nodes can do so much at once and no more, as after losing machines; as a mitigation, more than before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._overload import OverloadFault, held
from brownout.harness.errors import UsageError
from brownout.harness.fault import Duration


class Capacity(OverloadFault):
    """Limits of nodes, in place of those that the setting `capacity` or an earlier hold gives them."""

    kind = "capacity"
    family = "capacity"
    switch = "capacity"

    at_once: int | None = Field(None, ge=1, description="how many requests a node works on at once")
    queue: int | None = Field(None, ge=0, description="how many more wait; the rest is refused")
    work: Duration | None = Field(None, ge=0, description="how long each request takes at least, in emulated time")
    give_up: Duration | None = Field(None, ge=0, description="a request whose turn comes later than this is refused then")
    shed: Duration | None = Field(
        None, ge=0, description="a request that would wait for longer is refused on arrival; 0: never"
    )

    def describe(self) -> str:
        return f"capacity of {self.node}: " + ", ".join(f"{name} {told}" for name, told in self.value().items())

    def value(self) -> Mapping[str, Any]:
        named = {"at_once": self.at_once, "queue": self.queue, "give_up_s": self.give_up, "shed_s": self.shed}
        value: dict[str, Any] = {name: given for name, given in named.items() if given is not None}
        if self.work is not None:
            value["work_s"] = {"request": self.work}
        if not value:
            raise UsageError("a change of capacity that changes nothing", hint="give at_once, queue, work, give_up or shed")
        return value

    def shows(self, state: Mapping[str, Any]) -> tuple[bool, str]:
        limits, wanted = state.get("capacity", {}), self.value()
        ordered = any(held(state, self.switch, wanted))
        same = all(limits.get(name) == given for name, given in wanted.items() if name != "work_s")
        work = wanted.get("work_s", {})
        same = same and {**limits.get("work_s", {}), **work} == limits.get("work_s", {})
        seen = f"{limits.get('at_once') or 'any number'} at once, {limits.get('queued', 0)} waiting"
        return ordered and same, seen
