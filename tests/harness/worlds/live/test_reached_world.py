"""How a live world reaches its nodes, and what it says where there is no such node, no link and no answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.world import Endpoints
from brownout.harness.worlds.live.carrier_holds import NodeStore
from brownout.harness.worlds.live.reached_world import ReachedWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request

STORE, HOST = "sydney.store", "sydney.host"
LOOK = Request("GET", "/")
RUNS: Mapping[str, Any] = {"state": "running", "holds": {}}


@dataclass(frozen=True)
class ReportStore:
    """A store of holds with one report for every node."""

    report: Mapping[str, Any]

    def hold(self, name: str, fault_id: str, effect: NodeEffect) -> Mapping[str, Any]:
        raise AssertionError("no node is held here")

    def release(self, name: str, fault_id: str) -> object:
        raise AssertionError("no node is held here")

    def read(self, name: str) -> Mapping[str, Any]:
        return self.report

    def resume_command(self, node: str, report: Mapping[str, Any]) -> str:
        return f"thaw {node} {report['pid']}"


class DeafWorld(ReachedWorld):
    """A stack at whose ports no process listens; clients have a link to one host only. `report` is that of every node."""

    ready_timeout_s = 0.05

    def __init__(self, report: Mapping[str, Any] = RUNS) -> None:
        super().__init__()
        self.spec = build_stack(seed=1)
        self.report = report
        self.url = f"http://127.0.0.1:{ephemeral_port()}"

    def endpoints(self) -> Endpoints:
        return Endpoints({HOST: self.url}, dict.fromkeys(self.spec.nodes(), self.url), "")

    def log_hint(self, node: str) -> str:
        return f"its log is {node}.log"

    def node_holds(self) -> NodeStore:
        return ReportStore(self.report)

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


@pytest.mark.parametrize(
    ("report", "kind", "message", "hint"),
    [
        (
            {"state": "dead", "exit": "SIGKILL"},
            CarrierGone,
            f"{STORE} has ended by itself (SIGKILL)",
            f"its log is {STORE}.log",
        ),
        ({"state": "paused", "pid": 7, "holds": {}}, WorldError, "process 7 is stopped, by no hold", f"`thaw {STORE} 7`"),
        ({"state": "paused", "pid": 7, "holds": {"f-1": {}}}, WorldError, "process 7 is stopped, held by f-1", ""),
        ({"state": "down", "holds": {"f-1": {}}}, WorldError, "does not answer: refused", "held down or paused"),
        (RUNS, WorldError, "does not answer: refused", "held down or paused"),
    ],
)
def test_a_node_that_refuses_is_named_by_its_state(
    report: Mapping[str, Any], kind: type[WorldError], message: str, hint: str
) -> None:
    """One that has ended by itself is gone, and a stopped one has the command that continues it; others just do not answer."""
    with pytest.raises(WorldError) as told:
        asyncio.run(DeafWorld(report).control(STORE, LOOK))
    assert type(told.value) is kind
    assert message in told.value.message
    assert hint in told.value.hint


def test_a_stopped_node_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel takes the connection, so only its state tells that no answer will come."""
    monkeypatch.setattr("brownout.harness.worlds.live.reached_world.LATE_S", 0.05)
    monkeypatch.setattr("brownout.harness.worlds.live.reached_world.CONTROL_TIMEOUT_S", 600.0)
    world = DeafWorld({"state": "paused", "pid": 7, "holds": {}})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WorldError, match="process 7 is stopped"):
            asyncio.run(world.control(STORE, LOOK))


def test_a_node_that_never_gets_ready_is_an_error_that_leads_to_its_log() -> None:
    """After the world's own time-out."""
    with pytest.raises(WorldError, match=f"{STORE} is not ready after 0.05 s") as late:
        asyncio.run(SlowWorld().await_ready(STORE))
    assert late.value.hint == f"its log is {STORE}.log"
