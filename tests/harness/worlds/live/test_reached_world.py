"""How a live world reaches its nodes, and what it says where there is no such node, no link and no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import WorldError
from brownout.harness.world import Endpoints
from brownout.harness.worlds.live.reached_world import ReachedWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request

STORE, HOST = "sydney.store", "sydney.host"
LOOK = Request("GET", "/")


class DeafWorld(ReachedWorld):
    """A stack at whose ports no process listens; clients have a link to one host only."""

    ready_timeout_s = 0.05

    def __init__(self) -> None:
        super().__init__()
        self.spec = build_stack(seed=1)
        self.url = f"http://127.0.0.1:{ephemeral_port()}"

    def endpoints(self) -> Endpoints:
        return Endpoints({HOST: self.url}, dict.fromkeys(self.spec.nodes(), self.url), "")

    def log_hint(self, node: str) -> str:
        return f"its log is {node}.log"

    async def status(self) -> Mapping[str, Any]:
        raise NotImplementedError


class SlowWorld(DeafWorld):
    """A stack whose nodes answer and never get ready."""

    async def is_ready(self, node: str) -> bool:
        return False


def test_what_the_stack_does_not_have_is_named_with_what_it_has() -> None:
    """Nodes and links alike."""
    world = DeafWorld()
    assert (world.known_node(STORE), world.known_link(f"client->{HOST}")) == (STORE, f"client->{HOST}")
    with pytest.raises(WorldError, match="no node 'perth'") as node:
        world.known_node("perth")
    assert STORE in node.value.hint
    with pytest.raises(WorldError, match="no link 'client->perth'") as link:
        world.known_link("client->perth")
    assert f"client->{HOST}" in link.value.hint


def test_clients_reach_what_they_have_a_link_to() -> None:
    """A node without such a link is an error of the test's; a link that leads nowhere fails as a client sees it."""
    with pytest.raises(WorldError, match=f"clients have no link to {STORE}"):
        asyncio.run(DeafWorld().client(STORE, LOOK, timeout_s=1.0))
    with pytest.raises(CallFailed) as failed:
        asyncio.run(DeafWorld().client(HOST, LOOK, timeout_s=1.0))
    assert failed.value.failure == "refused"


def test_a_control_plane_that_does_not_answer_is_an_error_with_its_node() -> None:
    """It says how the request failed."""
    with pytest.raises(WorldError, match=f"the control plane of {STORE} does not answer: refused"):
        asyncio.run(DeafWorld().control(STORE, LOOK))


def test_a_node_that_never_gets_ready_is_an_error_that_leads_to_its_log() -> None:
    """After the world's own time-out."""
    with pytest.raises(WorldError, match=f"{STORE} is not ready after 0.05 s") as late:
        asyncio.run(SlowWorld().await_ready(STORE))
    assert late.value.hint == f"its log is {STORE}.log"
