"""imds-answer: a region's IMDS gives one fixed answer (429, 410, 500 ...) to its machines, always or so many times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region, known_machine
from brownout.harness.fault import Duration, Observation, Reach, client_answer
from brownout.harness.world import HOST, StackSpec, World

WITHOUT_BODY = (204, 304)  # HTTP answers of these statuses have none


class ImdsAnswer(SwitchFault):
    """IMDS gives its machines a fixed answer instead of a token."""

    kind = "imds-answer"
    family = "load"
    switch = "answer"
    target = ("region", "machine")

    region: str
    status: int = Field(ge=200, le=599, description="the HTTP status of the answer")
    machine: str | None = Field(None, description="only this machine; none means all of the region")
    body: Mapping[str, Any] | None = Field(None, description="the JSON body of the answer")
    retry_after: Duration | None = Field(None, ge=0, description="sent as Retry-After")
    times: int | None = Field(None, ge=1, description="the next so many requests; none means all")

    def describe(self) -> str:
        who = self.machine or f"machines of {self.region}"
        often = f" for the next {self.times} requests" if self.times else ""
        return f"IMDS answers {self.status} to {who}{often}"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if self.machine is not None:
            known_machine(spec, self.region, self.machine)
        optional = {"machine": self.machine, "body": self.body, "retry_after_s": self.retry_after, "times": self.times}
        return {"status": self.status} | {name: value for name, value in optional.items() if value is not None}

    def reach(self, spec: StackSpec) -> Reach:
        # The link, not the node: what a management node tells the host is not IMDS' to answer.
        return Reach(links=(f"client->{self.holder(spec)}",), machines=() if self.machine is None else (self.machine,))

    async def observe(self, world: World) -> Observation:
        """Asks as a machine does. Answers with a count are not used up by a probe: there the host's own state is read."""
        if self.times is not None:
            held = await self.standing(world) is not None
            return Observation("bitten" if held else "absent", f"the host {'has' if held else 'has no'} such order")
        machine, query = known_machine(world.spec, self.region, self.machine), {"api-version": "2021-02-01"}
        answer = await client_answer(world, self.holder(world.spec), f"/{machine}/metadata/instance", query)
        if answer is None:
            return Observation("unclear", f"IMDS of {machine} does not answer")
        ours = answer.status == self.status and self._is_our_body(answer.body)
        its_own = " with its own body" if answer.status == self.status and not ours else ""
        return Observation("bitten" if ours else "absent", f"IMDS of {machine} answers {answer.status}{its_own}")

    def _is_our_body(self, body: Mapping[str, Any] | None) -> bool:
        """True for the body that was asked for; without one any that is not what a machine is told of itself."""
        if self.status in WITHOUT_BODY:
            return body is None
        return body == self.body if self.body else "compute" not in (body or {})
