"""One way to drive a stack of containers in tests: run a coroutine, carry a fault through, ask ARM and IMDS."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from brownout.harness.fault import Fault
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.inspected import Container
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.identity.core.messages import CallFailed, Request, Response
from support.client_requests import arm_version, token_request
from support.world_drivers import require_whole

T = TypeVar("T")
PATIENCE_S = 30.0
LOOK_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class ContainerStack:
    """A stack of containers that is up."""

    world: ComposeWorld
    runner: asyncio.Runner
    engine: DockerEngine

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def container(self, service: str) -> Container:
        """The container of a compose service, which must be there."""
        found = self.engine.containers.find(self.world.folder.name, service)
        assert found is not None, service
        return found

    async def observed(self, fault: Fault) -> str:
        """The observed state, once it is not unclear any more: real processes take a moment."""
        seen = await fault.observe(self.world)
        deadline_s = asyncio.get_running_loop().time() + 5.0
        while seen.state == "unclear" and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(LOOK_INTERVAL_S)
            seen = await fault.observe(self.world)
        return seen.state

    async def ready(self, *nodes: str) -> None:
        """Returns when every one of these nodes (all, when none is named) has its replica; raises WorldError."""
        for node in nodes or self.world.spec.nodes():
            await self.world.await_ready(node)

    async def require_whole(self) -> None:
        """Asserts that nothing is held and that every link carries."""
        await require_whole(self.world, None)

    async def arm(self, token: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, region: str) -> Response:
        """One call to a region's ARM; status 0 when there was no answer."""
        headers = {"authorization": f"Bearer {token}"}
        request = Request(method, path, arm_version(path), headers, body)
        try:
            return await self.world.client(f"{region}.management", request, timeout_s=10)
        except CallFailed as failed:
            return Response(0, {"failure": failed.failure})

    def identity_path(self, name: str) -> str:
        return f"{self._group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"

    def machine_path(self, name: str) -> str:
        return f"{self._group}/providers/Microsoft.Compute/virtualMachines/{name}"

    @property
    def _group(self) -> str:
        return f"/subscriptions/{self.world.spec.subscription_id}/resourceGroups/load"

    async def imds(self, machine: str, *, region: str = "sydney") -> int:
        """The status of a machine's request for a token; 0 when there was no answer."""
        try:
            return (await self.world.client(f"{region}.host", token_request(machine), timeout_s=10)).status
        except CallFailed:
            return 0
