"""metadata-answer: IMDS of AWS, or the agent of containers, gives its machines one fixed answer to one kind of request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import in_region, known_machine
from brownout.harness.fault import Duration, Observation, Reach, client_answer
from brownout.harness.world import HOST, StackSpec, World

# By request: a page whose answer shows the fault, and the status that it has without one when it is asked without a token.
LOOKS: Mapping[str, tuple[str, int]] = {
    "token": ("latest/api/token", 405),
    "role": ("latest/meta-data/iam/security-credentials/", 200),
    "credentials": ("latest/meta-data/iam/security-credentials/brownout-probe", 404),
    "container": ("v1/credentials", 400),
    "other": ("latest/meta-data/instance-id", 200),
}


class MetadataAnswer(SwitchFault):
    """The endpoints of AWS's machines give a fixed answer."""

    kind = "metadata-answer"
    family = "load"
    switch = "metadata-answer"
    target = ("region", "machine")
    vendor = "aws"

    region: str = Field(description="whose machines get the answer")
    status: int = Field(ge=200, le=599, description="the HTTP status of the answer")
    request: Literal["token", "role", "credentials", "container", "other"] | None = Field(
        None,
        description="only to these requests: the token's PUT, the role's name, its credentials, containers; none means all",
    )
    machine: str | None = Field(None, description="only this machine; none means all of the region")
    body: Mapping[str, Any] | None = Field(None, description="the JSON body of the answer")
    text: str | None = Field(None, description="the text of the answer, in place of a body")
    retry_after: Duration | None = Field(None, ge=0, description="sent as Retry-After")
    times: int | None = Field(None, ge=1, description="the next so many requests; none means all")

    def describe(self) -> str:
        who = self.machine or f"machines of {self.region}"
        what = f"{self.request} requests" if self.request else "requests"
        often = f" for the next {self.times} times" if self.times else ""
        return f"AWS metadata answers {self.status} to {what} of {who}{often}"

    def holder(self, spec: StackSpec) -> str:
        return in_region(spec, self.region, HOST)

    def value(self, spec: StackSpec) -> Mapping[str, Any]:
        if self.machine is not None:
            known_machine(spec, self.region, self.machine)
        optional = {
            "request": self.request,
            "machine": self.machine,
            "body": self.body,
            "text": self.text,
            "retry_after_s": self.retry_after,
            "times": self.times,
        }
        return {"status": self.status} | {name: value for name, value in optional.items() if value is not None}

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(links=(f"client->{self.holder(spec)}",), machines=() if self.machine is None else (self.machine,))

    async def observe(self, world: World) -> Observation:
        """Asks as a machine without a token does. Where that uses the answer up or tells nothing, the host's state counts."""
        page, usual = LOOKS[self.request or "other"]
        if self.times is not None or (self.status == usual and not (self.body or self.text)):
            held = await self.in_force(world) is not None
            return Observation("bitten" if held else "absent", f"the host {'has' if held else 'has no'} such order")
        machine = known_machine(world.spec, self.region, self.machine)
        answer = await client_answer(world, self.holder(world.spec), f"/{machine}/{page}")
        if answer is None:
            return Observation("unclear", f"metadata of {machine} does not answer")
        ours = answer.status == self.status
        if self.body or self.text:
            ours = ours and (answer.body == self.body if self.body else answer.payload == (self.text or "").encode())
        return Observation("bitten" if ours else "absent", f"metadata of {machine} answers {answer.status}")
