"""The AWS half of a simulated directory, and short words for what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.calls import IamAnswer, IamCall
from brownout.identity.aws.control.directory import IamDirectory
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import Response
from support.identity_stacks import EPOCH_S, Stack, body

T = TypeVar("T")
DIRECTORY, DAY_S = "sydney.directory", 86_400.0


def caller(name: str = "admin", kind: Any = "user") -> Caller:
    """Somebody who calls with a long-term key."""
    arn = f"arn:aws:iam::123456789012:user/{name}"
    return Caller("123456789012", kind, arn, "AIDA", arn, "AKIA", None, "us-east-1", 0.0)


class AwsStack(Stack):
    """A stack whose directory is AWS's too."""

    @property
    def iam(self) -> IamDirectory:
        """IAM's control plane, for looking inside."""
        annex = self.node(DIRECTORY).annexes["aws"]
        assert isinstance(annex, IamDirectory)
        return annex

    async def answer(self, action: str, params: Mapping[str, Any] | None = None, **named: Any) -> IamAnswer:
        """What the directory answers to a front end's call."""
        call = IamCall(action, {**(params or {}), **named}, caller(), "request-1")
        request = self.node("melbourne.management").internal("POST", "/aws/call", call.to_json())
        found = await self.node(DIRECTORY).handle(request)
        assert found.status == 200, found
        return IamAnswer.from_json(body(found))

    async def call(self, action: str, params: Mapping[str, Any] | None = None, **named: Any) -> Mapping[str, Any]:
        """The output of a call that must succeed; raises the AwsError of one that did not."""
        answer = await self.answer(action, params, **named)
        if answer.error is not None:
            raise answer.error
        return answer.result or {}

    async def refused(self, action: str, params: Mapping[str, Any] | None = None, **named: Any) -> AwsError:
        """The error of a call that must be refused."""
        answer = await self.answer(action, params, **named)
        assert answer.error is not None, answer
        return answer.error

    async def control(self, method: str, path: str, **query: str) -> Response:
        """A control request to the directory's AWS half."""
        request = self.node(DIRECTORY).internal(method, f"/admin/aws{path}", query=query)
        return await self.node(DIRECTORY).handle(request)


def on_aws_stack(story: Callable[[AwsStack], Coroutine[Any, Any, T]], *, seed: int = 1, **settings: Any) -> T:
    """Runs `story` on a fresh simulated stack of AWS's alone that has just come up, and returns what it returns.

    What Azure's half would publish is published once a day unless `settings` say otherwise: no story looks at it.
    """
    quiet = {"publish_interval_s": DAY_S, **settings}
    world = SimulationWorld(build_stack(seed=seed, settings=quiet, vendors=("aws",)), epoch_s=EPOCH_S)

    async def whole() -> T:
        await world.start()
        return await story(AwsStack(world))

    try:
        return world.run(whole())
    finally:
        world.kernel.close()
