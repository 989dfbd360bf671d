"""link-slow: every byte over the links is delayed. Latency is added to each direction named, so `both` adds it twice."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from brownout.faults._links import LinkFault
from brownout.harness.effects import Direction, LinkEffect
from brownout.harness.fault import Duration
from brownout.harness.world import Carrier, ProbeResult, StackSpec, World

CLEARLY_SLOW_S = 0.1
UNDISTURBED_S = 0.5  # what a hundred probes at once do not make of a healthy link's milliseconds
PROBES = 3  # of a latency below that every one must be late: a busy machine delays one probe, hardly three in a row


class LinkSlow(LinkFault):
    """Constant latency, or with jitter. Below 10 ms a probe could not tell it from a busy machine, so it is refused."""

    kind = "link-slow"
    effect = "slow"
    needs = frozenset({"link:slow"})

    latency: Duration = Field(ge=0.01, le=60, description='added to each direction, such as "300ms"')
    jitter: Duration = Field(0.0, ge=0, description="latency varies by so much, up and down")
    direction: Direction = Field("downstream", description="upstream: requests are late; downstream: answers are")

    @model_validator(mode="after")
    def _jitter_is_smaller(self) -> Self:
        if self.jitter > self.latency / 2:
            raise ValueError("jitter is at most half of latency, or a look could not tell the link from a healthy one")
        return self

    def describe(self) -> str:
        jitter = f" ± {1000 * self.jitter:g} ms" if self.jitter else ""
        return f"links {self.link} are slow by {1000 * self.latency:g} ms{jitter} ({self.direction})"

    def state(self, spec: StackSpec, carrier: Carrier) -> LinkEffect:
        return LinkEffect(self.effect, self.direction, round(1000 * self.latency), round(1000 * self.jitter))

    def probe_timeout_ms(self) -> float:
        return 2000 * (self.latency + self.jitter) + 1000.0

    def shows(self, result: ProbeResult) -> bool:
        return result.outcome == "ok" and result.latency_ms >= 900 * (self.latency - self.jitter)

    def may_be_disturbed(self) -> bool:
        """So long a delay is the link's own; to see it again on each link alone would keep the next step waiting."""
        return self.latency - self.jitter < UNDISTURBED_S

    async def look(self, world: World, link: str) -> tuple[bool, str]:
        seen, what = False, ""
        for _ in range(1 if self.latency >= CLEARLY_SLOW_S else PROBES):
            seen, what = await super().look(world, link)
            if not seen:
                break
        return seen, what
