"""A simulated stack for the tests of the emulated service, and short words for what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from brownout.harness.effects import NodeEffect, SwitchThrow
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.topology import CONTROL_PATH
from brownout.identity.core.trail import Hop, parse
from support.client_requests import arm_version

T = TypeVar("T")
EPOCH_S = 1_720_742_400.0  # 2024-07-12T00:00:00Z
VAULT = "https://vault.azure.net"
ARM = "https://management.azure.com"
HOUR_S = 3600.0
QUIET_S = 3600.0  # a publishing interval for stories of days, in which nothing is published
TOKEN_PATH = "metadata/identity/oauth2/token"
MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "count": 3},
    "south": {"region": "melbourne", "count": 2},
    "visitor": {"region": "melbourne", "identities": ["traveller@sydney"]},
    "single": {"region": "sydney", "identities": ["only-id"]},
    "several": {"region": "sydney", "identities": ["first-id", "second-id"]},
    "bare": {"region": "sydney", "identities": []},
    "scaleout": {"region": "sydney", "scale_set": True},
    "scaleout-south": {"region": "melbourne", "scale_set": True},
}


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up, on the virtual clock."""

    world: SimulationWorld
    user_token: str = ""

    def node(self, name: str) -> Node:
        """The living node of that name, for looking inside."""
        node = self.world._nodes[name].node
        assert node is not None
        return node

    async def wait(self, duration_s: float) -> None:
        await self.world.sleep_until(self.world.now() + duration_s)

    async def imds(self, machine: str, *, region: str = "sydney", method: str = "GET", **changed: str) -> Response:
        """A token request as real clients send it, with query parameters changed by name ("" takes one away)."""
        query = {"api_version": "2018-02-01", "resource": VAULT} | changed
        kept = {name.replace("_version", "-version"): value for name, value in query.items() if value}
        request = Request(method, f"/{machine}/{TOKEN_PATH}", kept, {"metadata": "true"})
        return await self.world.client(f"{region}.host", request, timeout_s=5)

    async def token(self, machine: str, *, region: str = "sydney", resource: str = VAULT) -> str:
        """A token that must come."""
        answer = await self.imds(machine, region=region, resource=resource)
        assert answer.status == 200, answer
        return str(body(answer)["access_token"])

    async def arm(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        region: str = "sydney",
        token: str | None = None,
        version: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Response:
        """A call to ARM with the operator's token, or another one ("" for none), by a version that the path's type has."""
        bearer = self.user_token if token is None else token
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        asked = {**(arm_version(path) if not version else {"api-version": version}), **(query or {})}
        request = Request(method, path, asked, headers, content)
        return await self.world.client(f"{region}.management", request, timeout_s=10)

    async def create_group(self, name: str) -> None:
        """Makes a resource group known."""
        path = self.group.replace("/load", f"/{name}")
        assert (await self.arm("PUT", path, {"location": "australiaeast"})).ok

    def identity_path(self, name: str) -> str:
        return f"{self.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"

    def machine_path(self, name: str) -> str:
        return f"{self.group}/providers/Microsoft.Compute/virtualMachines/{name}"

    @property
    def group(self) -> str:
        return f"/subscriptions/{self.world.spec.subscription_id}/resourceGroups/load"

    async def secret(self, token: str, *, region: str = "sydney", path: str = "/secrets/sample") -> Response:
        """A read of the sample vault."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.world.client(f"{region}.vault", Request("GET", path, {"api-version": "7.6"}, headers), timeout_s=5)

    async def hold(self, node: str, fault_id: str, switch: str, **value: Any) -> Mapping[str, Any]:
        """Throws a switch; returns what the node reports of it."""
        answer = await self.world.hold(Carrier("control", node), fault_id, SwitchThrow(switch, value))
        report: Mapping[str, Any] = answer["report"]
        return report

    async def try_hold(self, node: str, fault_id: str, switch: str, value: Any) -> Response:
        """Throws a switch and returns the node's answer, whatever it is."""
        request = Request("PUT", f"/admin/holds/{fault_id}", body={"switch": switch, "value": value})
        return await self.world.control(node, request)

    async def release(self, node: str, fault_id: str) -> None:
        await self.world.release(Carrier("control", node), fault_id)

    async def state(self, node: str) -> Mapping[str, Any]:
        return await self.world.read(Carrier("control", node))

    async def restart(self, node: str) -> None:
        """Kills a node and starts it again from what it had made durable."""
        await self.world.hold(Carrier("node", node), "restart", NodeEffect("down"))
        await self.world.release(Carrier("node", node), "restart")

    async def publish_identity(self, name: str, **more: Any) -> None:
        """Makes an identity known to the directory, and to no store."""
        record = {"object_id": name, "resource_id": f"/{name}", "home_region": "sydney", "kind": "user", "name": name, **more}
        request = self.node("sydney.management").internal("PUT", f"/principals/{name}", record)
        assert (await self.node("sydney.directory").handle(request)).status == 200

    async def raw(
        self, node: str, method: str, path: str, token: str = "", content: Mapping[str, Any] | None = None
    ) -> Response:
        """A request straight at a node's control plane, with or without a token for it."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.node(node).handle(Request(method, CONTROL_PATH + path, {}, headers, content))


def body(answer: Response) -> Mapping[str, Any]:
    """The answer's body, which it must have."""
    assert answer.body is not None
    return answer.body


def error_code(answer: Response) -> str:
    """The code of an error in ARM's envelope."""
    return str(body(answer)["error"]["code"])


def hops(answer: Response) -> tuple[Hop, ...]:
    return parse(answer.headers["x-brownout-trail"])


def on_stack(
    story: Callable[[Stack], Coroutine[Any, Any, T]],
    *,
    machines: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 1,
    **settings: Any,
) -> T:
    """Runs `story` on a fresh simulated stack that has just come up, and returns what it returns."""
    spec = build_stack(seed=seed, settings=settings, machines=machines or MACHINES)
    world = SimulationWorld(spec, epoch_s=EPOCH_S)

    async def whole() -> T:
        await world.start()
        request = Request("POST", "/admin/user-token", body={"lifetime_s": 30 * 24 * HOUR_S})
        token = body(await world.control("sydney.directory", request))["access_token"]
        return await story(Stack(world, str(token)))

    try:
        return world.run(whole())
    finally:
        world.kernel.close()
