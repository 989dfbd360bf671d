"""Surfaces hung onto roles: another vendor's wire is an entry in the table of roles, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.vault.keyvault import KeyVault
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.surface import Served, Surface
from brownout.identity.core.topology import VAULT, NodeSpec
from brownout.identity.core.trail import parse
from brownout.identity.roles import VENDORS, Part, build_node
from support.http_nodes import ports_to, served

NODE = "sydney.vault"
FORM = (b"content-type", b"application/x-www-form-urlencoded")


class XmlSecrets:
    """A made-up vendor: forms in, XML out, parameters by number, a request id in every answer."""

    def __init__(self, node: Vault) -> None:
        self._node = node

    def takes(self, request: Request) -> bool:
        return request.target == "/" and request.method == "POST"

    async def serve(self, request: Request) -> Served:
        names = [value for name, value in request.form if name.startswith("Name.member.")]
        listed = "".join(f"<member>{self._node.secret(name)}</member>" for name in names)
        lines = ((b"content-type", b"text/xml"), (b"x-request-id", request.headers["x-request-id"].encode()))
        return Served(Response.raw(200, lines, f"<GetSecretsResult>{listed}</GetSecretsResult>".encode()), self._node.hop())


@pytest.fixture(autouse=True)
def other_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault speaks both vendors' wire."""
    monkeypatch.setitem(VENDORS, "azure", {**VENDORS["azure"], VAULT: Part(surfaces=(XmlSecrets, KeyVault))})


def asked() -> Request:
    return Request.raw("POST", "/", (FORM, (b"x-request-id", b"7")), b"Name.member.1=a&Name.member.2=b+c")


def check(found: tuple[Response, Response]) -> None:
    """The other vendor's answer, and Azure's on the same node."""
    other, azure = found
    payload = b"<GetSecretsResult><member>value of a</member><member>value of b c</member></GetSecretsResult>"
    assert (other.status, other.payload, other.media_type) == (200, payload, "text/xml")
    assert other.headers["x-request-id"] == "7"
    assert [hop.node for hop in parse(other.headers["x-brownout-trail"])] == [NODE]
    assert "Bearer authorization=" in azure.headers["www-authenticate"]


def test_a_surface_is_served_in_the_simulation() -> None:
    """A surface that is in the table of roles answers its own requests; the others go to the surface after it."""
    world = SimulationWorld(build_stack(seed=1), epoch_s=0.0)

    async def story() -> tuple[Response, Response]:
        await world.start()
        other = await world.client(NODE, asked(), timeout_s=5)
        return other, await world.client(NODE, Request("GET", "/secrets/a"), timeout_s=5)

    try:
        check(world.run(story()))
    finally:
        world.kernel.close()


def test_the_same_surface_is_served_over_http(tmp_path: Path) -> None:
    """On a socket the same node gives the same answers."""

    async def story() -> tuple[Response, Response]:
        async with ports_to(tmp_path, 1) as inside:
            node = build_node(NodeSpec(NODE, build_stack(seed=1)), inside)
            await node.start()
            snapshot = {"version": 1, "identities": {}, "key_set": {}, "lines": ["a"]}
            assert (await node.handle(node.internal("PUT", "/snapshot", snapshot))).ok
            async with served(node) as port, ports_to(tmp_path / "client", port) as ports:
                other = await ports.call("sydney.store", asked(), timeout_s=5)
                return other, await ports.call("sydney.store", Request("GET", "/secrets/a"), timeout_s=5)

    check(asyncio.run(story()))


def test_a_role_without_a_surface_for_a_request_answers_404(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What no surface takes is not found, with the node in the trail."""
    only: tuple[type[Surface], ...] = (XmlSecrets,)
    monkeypatch.setitem(VENDORS, "azure", {**VENDORS["azure"], VAULT: Part(surfaces=only)})

    async def story() -> Response:
        async with ports_to(tmp_path, 1) as ports:
            return await build_node(NodeSpec(NODE, build_stack(seed=1)), ports).handle(Request("GET", "/secrets/a"))

    answer = asyncio.run(story())
    assert (answer.status, answer.headers["x-brownout-trail"]) == (404, f"{NODE};;;;")
