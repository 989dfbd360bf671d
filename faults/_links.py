"""Base of link faults: a pattern of links, the effect on each, and a probe of each."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from brownout.faults._looks import everywhere, probe_for_silence
from brownout.faults._targets import matching_links
from brownout.harness.effects import Direction, LinkEffect, LinkEffectKind
from brownout.harness.fault import Fault, Observation
from brownout.harness.world import Carrier, ProbeResult, StackSpec, World


class LinkFault(Fault):
    """One effect on every link that `link` matches."""

    family = "link"
    target = ("link",)
    effect: ClassVar[LinkEffectKind]

    link: str = Field(
        pattern=r"^[\w.*-]+->[\w.*-]+$", description='source->target; "melbourne->sydney" matches every link between them'
    )

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return tuple(Carrier("link", link) for link in matching_links(spec, self.link))

    def state(self, spec: StackSpec, carrier: Carrier) -> LinkEffect:
        return LinkEffect(self.effect)

    def probe_timeout_ms(self) -> float:
        """How long a probe waits: many times the few milliseconds of a healthy link."""
        return 250.0

    def shows(self, result: ProbeResult) -> bool:
        """Whether a probe's result is this effect."""
        raise NotImplementedError

    def may_be_disturbed(self) -> bool:
        """Whether probes that are made at the same time could make a healthy link look as if it had the effect."""
        return False

    async def probe(self, world: World, link: str) -> ProbeResult:
        return await world.probe(link, timeout_ms=self.probe_timeout_ms())

    async def look(self, world: World, link: str) -> tuple[bool, str]:
        """One probe of one link: whether the effect shows, and the evidence."""
        result = await self.probe(world, link)
        return self.shows(result), f"{result.outcome} in {result.latency_ms:.1f} ms"

    async def observe(self, world: World) -> Observation:
        links = [carrier.name for carrier in self.carriers(world.spec)]
        looks = await world.together(self.look(world, link) for link in links)
        if self.may_be_disturbed() and len(links) > 1:
            # Others can make a link seem slow, never fast: only those that seem slow are looked at again, each alone.
            looks = [
                await self.look(world, link) if seen else (seen, what) for link, (seen, what) in zip(links, looks, strict=True)
            ]
        return everywhere(f"links with {self.effect}", dict(zip(links, looks, strict=True)))


class DirectedLinkFault(LinkFault):
    """An effect on requests, on answers or on both."""

    direction: Direction = Field("both", description="upstream: what requests meet; downstream: what answers meet")

    def state(self, spec: StackSpec, carrier: Carrier) -> LinkEffect:
        return LinkEffect(self.effect, self.direction)

    def concerned(self) -> str:
        """What meets the effect, in words."""
        return {"both": "requests and answers", "upstream": "requests", "downstream": "answers"}[self.direction]


class SilentLinkFault(DirectedLinkFault):
    """An effect that leaves callers without any answer until their own time-out."""

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "timeout"

    async def probe(self, world: World, link: str) -> ProbeResult:
        on = Carrier("link", link)
        return await probe_for_silence(world, link, effect=self.effect, on=on, patience_ms=self.probe_timeout_ms())
