"""A whole stack of AWS, and boto3 clients of its provisioning service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request
from support.simulated_aws import DAY_S, EPOCH_S, SimulatedAws

MANAGEMENT = "sydney.management"


@dataclass
class Provisioned:
    """A stack that is up; time passes when tests say so."""

    aws: SimulatedAws
    admin: Credentials

    def client(self, service: str = "cloudformation", node: str = MANAGEMENT, credentials: Credentials | None = None) -> Any:
        return self.aws.client(service, credentials or self.admin, node)

    def settled(self, name: str, *, patience_s: float = 600.0, node: str = MANAGEMENT) -> dict[str, Any]:
        """The stack once nothing is in progress."""
        client, ends_s = self.client(node=node), self.aws.now_s + patience_s
        while self.aws.now_s < ends_s:
            (stack,) = client.describe_stacks(StackName=name)["Stacks"]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return dict(stack)
            self.aws.sleep(2)
        raise AssertionError(f"{name} is still {stack['StackStatus']}")

    def reasons(self, name: str) -> list[str]:
        events = self.client().describe_stack_events(StackName=name)["StackEvents"]
        return [each.get("ResourceStatusReason", "") for each in events]

    def cut(self, *, release: bool = False) -> None:
        """Cuts or heals every link between the regions."""
        world = self.aws.world
        for link in world.spec.links():
            if {link.source.split(".")[0], link.target.split(".")[0]} == {"sydney", "melbourne"}:
                carrier = Carrier("link", str(link))
                world.run(world.release(carrier, "cut") if release else world.hold(carrier, "cut", LinkEffect("refuse")))


@pytest.fixture
def provisioned() -> Iterator[Provisioned]:
    spec = build_stack(seed=3, settings={"iam_publish_interval_s": 1.0, "publish_interval_s": DAY_S}, vendors=("aws",))
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    try:
        world.run(world.start())
        aws = SimulatedAws(world)
        answer = world.run(world.control("sydney.directory", Request("GET", "/admin/aws/credentials", {"user": "admin"})))
        assert answer.body is not None, answer
        admin = Credentials(str(answer.body["access_key_id"]), str(answer.body["secret_access_key"]))
        world.run(world.sleep_until(world.now() + 5))
        with mock.patch("botocore.auth.get_current_datetime", new=aws.time):
            yield Provisioned(aws, admin)
    finally:
        world.kernel.close()
