"""A simulated stack with its own account, and boto3 clients of IAM that call its front ends as its administrator.

Everything between is real: botocore's serializer, signer, parser, retries, waiters and paginators; authentication and
authorization in the region; the link to the directory. Time is the stack's, for signatures and for what waiters sleep.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws import ids
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request
from support.simulated_aws import DAY_S, EPOCH_S, SimulatedAws

HOME_FRONT, OTHER_FRONT = "sydney.management", "melbourne.management"
DIRECTORY = "sydney.directory"
SEED = 3
ACCOUNT_ID = ids.account_id(SEED)


class IamStack(SimulatedAws):
    """One world that is up, its directory's account published everywhere."""

    def credentials(self, user: str = "admin") -> Credentials:
        """The first access key of a user, as the harness gets it."""
        request = Request("GET", "/admin/aws/credentials", query={"user": user})
        response = self.world.run(self.world.control(DIRECTORY, request))
        assert response.ok, response
        found = response.body or {}
        return Credentials(found["access_key_id"], found["secret_access_key"])

    def iam(self, front: str = HOME_FRONT, user: str = "admin", **config: Any) -> Any:
        """A boto3 client of IAM at a front end."""
        return self.client("iam", self.credentials(user), front, **config)

    def iam_as(self, credentials: Credentials, front: str = HOME_FRONT) -> Any:
        return self.client("iam", credentials, front)


@contextmanager
def iam_stack(*, epoch_s: float = EPOCH_S, **settings: Any) -> Iterator[IamStack]:
    """A stack of AWS's alone; botocore's clock and what its waiters sleep are the stack's."""
    quiet = {"publish_interval_s": DAY_S, **settings}  # of Azure's half, at which nobody looks
    world = SimulationWorld(build_stack(seed=SEED, settings=quiet, vendors=("aws",)), epoch_s=epoch_s)
    try:
        world.run(world.start())
        stack = IamStack(world)
        with (
            mock.patch("botocore.auth.get_current_datetime", new=stack.time),
            mock.patch("botocore.waiter.time.sleep", new=stack.sleep),
        ):
            yield stack
    finally:
        world.kernel.close()
