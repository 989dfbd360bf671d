"""Base of faults of IAM's control plane: a switch on the directory, and looks at what its calls come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.faults._switches import SwitchFault
from brownout.faults._targets import home
from brownout.harness.errors import WorldError
from brownout.harness.fault import Reach, Vendor
from brownout.harness.world import DIRECTORY, Request, StackSpec, World

VENDOR: Vendor = "aws"


class IamFault(SwitchFault):
    """One switch of the control plane. What regions do by themselves (STS, authorization) is not concerned."""

    vendor = VENDOR

    def holder(self, spec: StackSpec) -> str:
        return home(spec, DIRECTORY)

    def reach(self, spec: StackSpec) -> Reach:
        return Reach(nodes=(self.holder(spec),))

    async def call(self, world: World) -> Mapping[str, Any]:
        """What a call that only describes comes to: the code of its `error`, the `version` that it described.

        It goes through everything that a client's call does once a front end has let it in. Raises WorldError.
        """
        answer = await world.control(self.holder(world.spec), Request("POST", f"/admin/{VENDOR}/try"))
        if not answer.ok or answer.body is None:
            raise WorldError(f"IAM's control plane answered {answer.status} when it was tried")
        return answer.body
