"""imds-answer: the token endpoints of a region's machines give a wrong answer, always or so many times.

A fixed one (429, 410, 500 ...), or the right one with a flaw: malformed, without a field, broken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region, known_machine
from brownout.harness.fault import Duration, Observation, Reach, client_answer, token_answer
from brownout.harness.world import FLAWS, HOST, NOT_WHOLE, StackSpec, World

WITHOUT_BODY = (204, 304)  # HTTP answers of these statuses have none
EndpointKind = Literal["imds", "app-service", "vm-extension", "service-fabric", "arc", "cloud-shell"]


class ImdsAnswer(SwitchFault):
    """IMDS, or another token endpoint, gives its machines a wrong answer."""

    kind = "imds-answer"
    family = "load"
    switch = "answer"
    target = ("region", "machine")
    vendor = "azure"

    region: str = Field(description="whose machines get the answer")
    status: int | None = Field(None, ge=200, le=599, description="the HTTP status of the answer; none with a flaw: its own")
    machine: str | None = Field(None, description="only this machine; none means all of the region")
    endpoint: EndpointKind = Field("imds", description="which of the machine's token endpoints")
    flaw: str | None = Field(None, description=f"what is wrong with the answer: {', '.join(FLAWS)}")
    body: Mapping[str, Any] | None = Field(None, description="the JSON body of the answer")
    retry_after: Duration | None = Field(None, ge=0, description="sent as Retry-After")
    times: int | None = Field(None, ge=1, description="the next so many requests; none means all")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status is None and (self.flaw is None or self.body is not None or self.retry_after is not None):
            raise ValueError("status is needed: only a flaw can be without one, and without body and retry_after")
        if self.flaw is not None and self.flaw not in FLAWS:
            raise ValueError(f"flaw is one of {', '.join(FLAWS)}, not {self.flaw!r}")
        return self

    def describe(self) -> str:
        who, what = self.machine or f"machines of {self.region}", "IMDS" if self.endpoint == "imds" else self.endpoint
        often = f" for the next {self.times} requests" if self.times else ""
        says = " ".join(str(part) for part in (self.status, self.flaw and f"with the flaw {self.flaw}") if part)
        return f"{what} answers {says} to {who}{often}"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if self.machine is not None:
            known_machine(spec, self.region, self.machine)
        given: dict[str, Any] = {"status": self.status, "machine": self.machine, "flaw": self.flaw, "body": self.body}
        given |= {"retry_after_s": self.retry_after, "times": self.times}
        given |= {"endpoint": None if self.endpoint == "imds" else self.endpoint}
        return {name: value for name, value in given.items() if value is not None}

    def reach(self, spec: StackSpec) -> Reach:
        # The link, not the node: what a management node tells the host is not IMDS' to answer.
        return Reach(links=(f"client->{self.holder(spec)}",), machines=() if self.machine is None else (self.machine,))

    async def observe(self, world: World) -> Observation:
        """Asks as a machine does. Answers with a count are not used up by a probe: there the host's own state is read."""
        if self.times is not None:
            held = await self.in_force(world) is not None
            return Observation("bitten" if held else "absent", f"the host {'has' if held else 'has no'} such order")
        node, machine = self.holder(world.spec), known_machine(world.spec, self.region, self.machine)
        answer = await token_answer(world, node, self.endpoint, machine)
        if answer is None:
            # what is no machine's page is not broken off: that tells this flaw from a host that is away
            whole = await client_answer(world, node, "/-") if self.flaw in NOT_WHOLE else None
            return Observation("unclear" if whole is None else "bitten", f"{self.endpoint} of {machine} gives no whole answer")
        if self.flaw is not None:
            ours = self.status in (None, answer.status) and FLAWS[self.flaw].shows(answer, world.now())
        else:
            ours = answer.status == self.status and self._is_our_body(answer.body)
        its_own = " with its own body" if answer.status == self.status and not ours else ""
        return Observation("bitten" if ours else "absent", f"{self.endpoint} of {machine} answers {answer.status}{its_own}")

    def _is_our_body(self, body: Mapping[str, Any] | None) -> bool:
        """True for the body that was asked for; without one any that is no token."""
        if self.status in WITHOUT_BODY:
            return body is None
        return body == self.body if self.body else "access_token" not in (body or {})
