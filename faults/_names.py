"""What faults of endpoint names share: one name, the regions whose clients it concerns, and a look as such a client.

The edge keeps the fault (docs/design.md#the-edge). Clients that know an address of their own are not concerned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from brownout.faults._looks import everywhere
from brownout.faults._switches import SwitchFault
from brownout.faults._targets import known_regions
from brownout.harness.errors import UsageError
from brownout.harness.fault import Duration, Observation, Reach, client_answer, unknown_name
from brownout.harness.world import EDGE_NODE, Settings, StackSpec, World, endpoint_names

LOOK_TIMEOUT_S = 5.0
CLIENT_REGION, TRAIL = "x-brownout-client-region", "x-brownout-trail"


class Look(NamedTuple):
    """What a client got by the name: the node that served it or the edge's word for why none did, and how long that took.

    `took_s` is in emulated seconds. Both words are empty where the edge itself gave no answer.
    """

    served_by: str
    problem: str
    took_s: float

    def __str__(self) -> str:
        return self.problem or (f"led to {self.served_by}" if self.served_by else "no answer")


class EndpointNameFault(SwitchFault):
    """One name is wrong for clients of some regions."""

    family = "name"
    switch = "name"
    target = ("name",)
    effect: ClassVar[str]

    name: str = Field(description="an endpoint's name, such as sts.amazonaws.com")
    regions: tuple[str, ...] = Field((), description="where the clients stand; none means everywhere")

    def describe(self) -> str:
        return f"{self.name} {self.what()} for clients in {', '.join(self.regions) or 'all regions'}"

    def what(self) -> str:
        """What is wrong with it, to go on after the name."""
        raise NotImplementedError

    def holder(self, spec: StackSpec) -> str:
        return EDGE_NODE

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        names = endpoint_names(spec)
        if not names:
            hint = "it is of an earlier version: bring up a new one"
            raise UsageError("this stack has no endpoint names", hint=hint)
        if self.name not in names:
            raise unknown_name("endpoint name", self.name, names)
        regions = list(known_regions(spec, self.regions))
        return {"name": self.name, "effect": self.effect, "regions": regions, **self.more(spec)}

    def more(self, spec: StackSpec) -> Mapping[str, Any]:
        """What the effect has beside the name and regions; raises UsageError."""
        return {}

    def reach(self, spec: StackSpec) -> Reach:
        self.value(spec)
        return Reach(nodes=(EDGE_NODE,), keys=tuple(f"{self.name}@{region}" for region in self.concerned(spec)))

    def concerned(self, spec: StackSpec) -> tuple[str, ...]:
        """The regions whose clients can see the effect."""
        return known_regions(spec, self.regions)

    def shows(self, look: Look) -> bool:
        """Whether a client that saw this saw the effect."""
        return look.problem == self.effect

    async def observe(self, world: World) -> Observation:
        """Looks from every region concerned, as a client there; at once, as each look may take as long as the name does."""
        regions = self.concerned(world.spec)
        looks = dict(zip(regions, await world.together(self._look(world, region) for region in regions), strict=True))
        for region, seen in looks.items():
            if not seen.served_by and not seen.problem:
                return Observation("unclear", f"the edge gives clients in {region} no answer for {self.name}")
        shown = {region: (self.shows(seen), str(seen)) for region, seen in looks.items()}
        return everywhere(f"{self.name} {self.what()}", shown)

    async def _look(self, world: World, region: str) -> Look:
        headers, timeout_s = {"host": self.name, CLIENT_REGION: region}, LOOK_TIMEOUT_S + self.longest_s()
        began_s = world.now()
        answer = await client_answer(world, EDGE_NODE, "/", headers=headers, timeout_s=timeout_s)
        took_s = world.now() - began_s
        if answer is None:
            return Look("", "", took_s)
        hops = answer.headers.get(TRAIL, "").split(">")
        if len(hops) > 1:
            return Look(hops[1].partition(";")[0], "", took_s)
        told = (answer.body or {}).get("error", {})
        return Look("", str(told.get("code", answer.status)), took_s)

    def longest_s(self) -> float:
        """How much longer than usual an answer may take."""
        return 0.0


class RecordFault(EndpointNameFault):
    """A wrong record of a name. Resolvers keep it for its time to live, also when it has been put right."""

    ttl: Duration = Field(0.0, ge=0, description="how long resolvers keep the record; 0: it ends with the fault")

    def more(self, spec: StackSpec) -> Mapping[str, Any]:
        return {"ttl_s": self.ttl}

    def settles_s(self, spec: StackSpec) -> float:
        return max(self.ttl, Settings.of(spec.settings).name_ttl_s)
