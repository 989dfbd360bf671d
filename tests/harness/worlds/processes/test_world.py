"""The world `processes` on a real stack: faults bite and heal, and what is seen is what the kernel says."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.identity import ManagedIdentityCredential

from brownout.harness.base import ports as port_range
from brownout.harness.base import processes as system
from brownout.harness.effects import LinkEffect, NodeEffect, SwitchThrow
from brownout.harness.errors import Defended, WorldError
from brownout.harness.worlds.processes.stack import RECORD_NAME, SPEC_NAME, check_topology
from brownout.harness.worlds.processes.supervisor_socket import SOCKET_NAME
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.server.spec_file import read_served
from support.carriers import link, node, switch
from support.client_requests import token_request
from support.server_stacks import Stack, daemon_pid

pytestmark = pytest.mark.slow

HOST_LINK = "client->sydney.host"


def test_a_stack_is_ready_in_seconds_and_hands_out_tokens(stack: Stack) -> None:
    """Sixteen processes, one for each node, are up within seconds and a machine gets a token over its link."""
    status = stack.run(stack.world.status())
    pids = {row["pid"] for row in status["nodes"].values()}
    answer = stack.run(stack.world.client("sydney.host", token_request("web-1"), timeout_s=3))
    assert set(status["nodes"]) == set(stack.world.spec.nodes())
    assert len(pids) == 17
    assert {row["state"] for row in status["nodes"].values()} == {"running"}
    assert stack.ready_s < 8
    assert answer.status == 200
    assert answer.body is not None
    assert answer.body["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (LinkEffect("refuse"), "refused"),
        (LinkEffect("stall"), "timeout"),
        (LinkEffect("slow", "downstream", latency_ms=150), "ok"),
    ],
)
def test_a_link_fault_bites_and_heals(stack: Stack, state: LinkEffect, outcome: str) -> None:
    """A link's fault shows in a fresh probe while it is held and is gone after its release, on that link alone."""
    carrier, world = link(HOST_LINK), stack.world
    stack.run(world.hold(carrier, "f-link", state))
    held = stack.run(world.probe(HOST_LINK, timeout_ms=400))
    other = stack.run(world.probe("client->melbourne.host", timeout_ms=2000))
    stack.run(world.release(carrier, "f-link"))
    healed = stack.run(world.probe(HOST_LINK, timeout_ms=2000))
    assert held.outcome == outcome
    assert held.latency_ms >= {"refused": 0, "timeout": 400, "ok": 150}[outcome]
    assert other.outcome == "ok"
    assert healed.outcome == "ok"
    assert stack.run(world.read(carrier))["holds"] == {}


def test_an_overloaded_node_is_slow_then_refuses_and_heals(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of six requests one is worked on, two wait and three are refused; a real client's is refused too, and tries again.

    Once the limits are gone those that waited are answered, and the client gets its token.
    """
    world, limits = stack.world, {"at_once": 1, "queue": 2, "work_s": {"request": 4.0}}
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"{world.endpoints().clients['sydney.host']}/web-2")

    answered: list[int] = []

    async def ask() -> None:
        answered.append((await world.client("sydney.host", token_request("web-1"), timeout_s=30)).status)

    async def shown() -> Mapping[str, Any]:
        found: Mapping[str, Any] = (await world.read(switch("sydney.host")))["capacity"]
        return found

    async def refused(number: int) -> None:
        async with asyncio.timeout(30):  # a node without limits refuses nobody
            while (await shown())["refused"]["full"] < number:  # noqa: ASYNC110  # only the node knows
                await asyncio.sleep(0.02)

    def ask_as_an_sdk() -> str:
        return ManagedIdentityCredential().get_token("https://vault.azure.net/.default").token

    async def story() -> None:
        await world.hold(switch("sydney.host"), "f-capacity", SwitchThrow("capacity", limits))
        try:
            calls = [asyncio.create_task(ask()) for _ in range(6)]
            await refused(3)
            limited = await shown()
            assert (limited["in_work"], limited["queued"]) == (1, 2)
            token = asyncio.create_task(asyncio.to_thread(ask_as_an_sdk))
            await refused(4)
        finally:
            await world.release(switch("sydney.host"), "f-capacity")
        await asyncio.gather(*calls)
        assert answered == [503] * 3 + [200] * 3
        assert await token
        assert "capacity" not in await world.read(switch("sydney.host"))

    stack.run(story())


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)])
def test_the_port_of_a_refused_link_stays_the_links(stack: Stack, options: tuple[int, ...]) -> None:
    """While a link is refused no other program gets its port, so the release cannot lead requests elsewhere."""
    world, port = stack.world, int(stack.world.endpoints().clients["sydney.host"].rpartition(":")[2])
    stack.run(world.hold(link(HOST_LINK), "f-refuse", LinkEffect("refuse")))
    with socket.socket() as thief:
        for option in options:
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", port))
    assert port_range.refuses(port)
    stack.run(world.release(link(HOST_LINK), "f-refuse"))
    assert stack.run(world.client("sydney.host", token_request("web-1"), timeout_s=3)).status == 200


def test_a_survey_sees_holds_and_what_others_did(stack: Stack) -> None:
    """Holds on links, nodes and switches in one look, and a toxic that somebody else put on a link."""
    world = stack.world
    held = {
        link(HOST_LINK): LinkEffect("slow", latency_ms=5),
        node("sydney.token.z3"): NodeEffect("paused"),
        switch("sydney.directory"): SwitchThrow("freeze", {}),
    }
    for carrier, effect in held.items():
        stack.run(world.hold(carrier, "f-seen", effect))
    url = f"{world.endpoints().toxiproxy}/proxies/client->sydney.vault/toxics"
    evil = {"name": "evil", "type": "latency", "attributes": {"latency": 1}}
    httpx.post(url, json=evil, trust_env=False).raise_for_status()
    seen = stack.run(world.survey())
    httpx.delete(f"{url}/evil", trust_env=False).raise_for_status()
    for carrier in held:
        stack.run(world.release(carrier, "f-seen"))
    assert {carrier for carrier, holds in seen.holds.items() if "f-seen" in holds} == set(held)
    assert seen.foreign == ("link:client->sydney.vault: toxic evil (latency, downstream)",)
    assert stack.run(world.survey()).foreign == ()


def test_a_stopped_process_is_named_instead_of_waited_for(stack: Stack) -> None:
    """A node that somebody stopped with SIGSTOP fails a request to its control plane within moments, with its pid."""
    world = stack.world
    pid = stack.run(world.read(node("sydney.token.z2")))["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(WorldError, match=f"process {pid} is stopped, by no hold"):
            stack.run(world.control("sydney.token.z2", Request("GET", "/admin/state")))
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_node_that_is_down_is_really_gone_and_comes_back_on_its_port(stack: Stack) -> None:
    """A killed node has no process and its own port refuses; released, another process serves the same port."""
    world, carrier = stack.world, node("sydney.token.z2")
    before = stack.run(world.read(carrier))
    stack.run(world.hold(carrier, "f-down", NodeEffect("down")))
    assert not Path(f"/proc/{before['pid']}").exists()
    assert port_range.refuses(before["port"])
    assert stack.run(world.probe("client->sydney.token.z2", timeout_ms=1000)).outcome == "reset"
    assert stack.run(world.read(carrier))["holds"] == {"f-down": {"effect": "down"}}
    stack.run(world.release(carrier, "f-down"))
    after = stack.run(world.read(carrier))
    assert (after["state"], after["port"]) == ("running", before["port"])
    assert after["pid"] != before["pid"]
    assert stack.run(world.probe("client->sydney.token.z2", timeout_ms=2000)).outcome == "ok"


def test_a_paused_node_is_stopped_by_the_kernel_and_goes_on(stack: Stack) -> None:
    """A paused node is in state T with all its threads and answers no request; released, the same process answers."""
    world, carrier = stack.world, node("melbourne.vault")
    stack.run(world.hold(carrier, "f-pause", NodeEffect("paused")))
    paused = stack.run(world.read(carrier))
    assert system.stopped(paused["pid"])
    assert stack.run(world.probe("client->melbourne.vault", timeout_ms=300)).outcome == "timeout"
    stack.run(world.release(carrier, "f-pause"))
    after = stack.run(world.read(carrier))
    assert (after["pid"], after["state"]) == (paused["pid"], "running")
    assert stack.run(world.probe("client->melbourne.vault", timeout_ms=2000)).outcome == "ok"


def test_overlapping_holds_on_a_node_are_a_set(stack: Stack) -> None:
    """With one hold that pauses and one that kills, each release lifts its own effect only, in either order."""
    world, carrier = stack.world, node("melbourne.token.z3")
    stack.run(world.hold(carrier, "f-a", NodeEffect("paused")))
    stack.run(world.hold(carrier, "f-b", NodeEffect("down")))
    assert stack.run(world.read(carrier))["state"] == "down"
    stack.run(world.release(carrier, "f-b"))
    assert stack.run(world.read(carrier))["state"] == "paused"
    stack.run(world.hold(carrier, "f-c", NodeEffect("down")))
    stack.run(world.release(carrier, "f-a"))
    assert stack.run(world.read(carrier))["state"] == "down"
    stack.run(world.release(carrier, "f-c"))
    stack.run(world.release(carrier, "f-c"))
    assert stack.run(world.read(carrier))["state"] == "running"


def test_a_node_that_dies_by_itself_is_reported_and_not_restarted(stack: Stack) -> None:
    """A node that crashed is shown as dead with its exit, refuses faults, and comes back by an explicit restart only."""
    world, carrier = stack.world, node("sydney.vault")
    pid = stack.run(world.read(carrier))["pid"]
    os.kill(pid, signal.SIGKILL)
    assert system.await_true(lambda: system.ProcessId.of(pid) is None, 3)
    dead = stack.run(world.status())["nodes"]["sydney.vault"]
    assert (dead["state"], dead["exit"]) == ("dead", "signal SIGKILL")
    with pytest.raises(WorldError, match=r"sydney.vault ended by itself"):
        stack.run(world.hold(carrier, "f-x", NodeEffect("down")))
    with pytest.raises(WorldError, match=r"sydney.vault ended by itself"):
        stack.run(world.release(carrier, "f-x"))
    assert stack.run(world.restart("sydney.vault"))["state"] == "running"
    assert stack.run(world.probe("client->sydney.vault", timeout_ms=2000)).outcome == "ok"


def test_each_listening_socket_is_held_by_one_process(stack: Stack) -> None:
    """No node's listening socket is open in the parent or in another node, so that killing a node closes its port."""
    status = stack.run(stack.world.status())
    pids = {name: row["pid"] for name, row in status["nodes"].items()} | {"parent": status["pid"]}
    listening = {name: system.listening_ports(pid) for name, pid in pids.items()}
    holders = {
        name: [other for other, ports in listening.items() if row["port"] in ports] for name, row in status["nodes"].items()
    }
    assert holders == {name: [name] for name in status["nodes"]}


def test_a_switch_is_held_read_and_released_on_the_node(stack: Stack) -> None:
    """A control hold is kept by the node under its id, survives the node's death, and its release may run twice."""
    world, carrier = stack.world, switch("sydney.store")
    report = stack.run(world.hold(carrier, "f-roll", SwitchThrow("roll-key", {"overlap_s": 600})))
    assert report["hold"]["switch"] == "roll-key"
    stack.run(world.hold(node("sydney.store"), "f-kill", NodeEffect("down")))
    with pytest.raises(WorldError, match=r"sydney.store does not answer: refused"):
        stack.run(world.read(carrier))
    stack.run(world.release(node("sydney.store"), "f-kill"))
    assert "f-roll" in stack.run(world.read(carrier))["holds"]
    stack.run(world.release(carrier, "f-roll"))
    stack.run(world.release(carrier, "f-roll"))
    assert stack.run(world.read(carrier))["holds"] == {}


def test_the_systems_refusal_is_a_defence_and_not_an_error(stack: Stack) -> None:
    """A change that the deployer refuses under its freeze comes back as Defended; an unknown switch as WorldError."""
    world, carrier = stack.world, switch("sydney.deployer")
    stack.run(world.hold(carrier, "f-freeze", SwitchThrow("freeze", {})))
    try:
        with pytest.raises(Defended):
            stack.run(world.hold(carrier, "f-roll-out", SwitchThrow("roll-out", {"build": "2.0", "regions": ["sydney"]})))
        with pytest.raises(WorldError, match="no switch 'nonsense'"):
            stack.run(world.hold(carrier, "f-unknown", SwitchThrow("nonsense", {})))
    finally:
        stack.run(world.release(carrier, "f-freeze"))
    assert stack.run(world.read(carrier))["holds"] == {}


def test_another_process_can_drive_the_stack(stack: Stack) -> None:
    """A world attached by folder sees the same clock, links and holds, and undoes what the first one did."""
    world, other = stack.world, ProcessesWorld.attach(stack.world.folder)
    stack.run(world.hold(link(HOST_LINK), "f-left", LinkEffect("refuse")))
    assert other.alive()
    assert other.endpoints().clients == world.endpoints().clients
    assert abs(other.now() - world.now()) < 0.5
    stack.run(other.release(link(HOST_LINK), "f-left"))
    assert stack.run(world.probe(HOST_LINK, timeout_ms=2000)).outcome == "ok"


def test_unknown_names_are_refused_with_the_known_ones(stack: Stack) -> None:
    """A link or node that the stack does not have is named in the error, with those it has in the hint."""
    with pytest.raises(WorldError, match=r"no node 'perth.host'"):
        stack.run(stack.world.hold(node("perth.host"), "f", NodeEffect("down")))
    with pytest.raises(WorldError, match=r"no link 'client->perth.host'") as raised:
        stack.run(stack.world.probe("client->perth.host", timeout_ms=10))
    assert HOST_LINK in raised.value.hint


def test_nothing_is_told_an_address_that_goes_round_a_link(stack: Stack) -> None:
    """Nodes and clients know addresses of proxies only; a specification that names a node's own port is refused."""
    folder, world = stack.world.folder, stack.world
    served = read_served(folder / SPEC_NAME)
    ports = {name: row["port"] for name, row in stack.run(world.status())["nodes"].items()}
    check_topology(served, ports)
    own = f"127.0.0.1:{ports['sydney.store']}"
    round_about = type(served)(served.stack, served.clock, {**served.links, "sydney.token->sydney.store": own})
    with pytest.raises(WorldError, match="round its link"):
        check_topology(round_about, ports)


def test_secrets_and_sockets_are_the_owners_alone(stack: Stack) -> None:
    """The record, the specification, the supervisor socket and every log and database are closed to other users."""
    folder = stack.world.folder
    for name in (RECORD_NAME, SPEC_NAME, SOCKET_NAME):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    for name in ("logs", "state"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700


def test_the_control_plane_wants_its_token(stack: Stack) -> None:
    """A control request with another token is refused by the node itself."""
    answer = stack.run(stack.world.control("sydney.host", Request("GET", "/admin/state", headers={"authorization": "x"})))
    assert answer.status == 401


def test_a_client_learns_how_its_call_failed(stack: Stack) -> None:
    """A refused link is `refused` to a client and a stalled one `timeout`."""
    world, carrier = stack.world, link(HOST_LINK)
    for effect, failure in (("refuse", "refused"), ("stall", "timeout")):
        stack.run(world.hold(carrier, "f-call", LinkEffect(effect)))
        try:
            with pytest.raises(CallFailed) as raised:
                stack.run(world.client("sydney.host", token_request("web-1"), timeout_s=0.3))
        finally:
            stack.run(world.release(carrier, "f-call"))
        assert raised.value.failure == failure


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"\n", b""),
        (b"[1]\n", b""),
        (b"not JSON\n", b""),
        (b'{"command": "explode"}\n', b"unknown command 'explode'"),
        (b'{"command": "hold", "node": "sydney.host"}\n', b"hold needs 'id'"),
        (b'{"command": "hold", "node": "sydney.host", "id": "f", "effect": "wet"}\n', b"effect 'wet' is unknown"),
        (b'{"command": "launch"}\n', b"launched already"),
    ],
)
def test_a_bad_control_request_harms_nobody(stack: Stack, line: bytes, answer: bytes) -> None:
    """A malformed request on the supervisor socket gets an error or a closed connection, and the stack keeps running."""
    with socket.socket(socket.AF_UNIX) as connection:
        folder = os.open(stack.world.folder, os.O_PATH)
        connection.connect(f"/proc/self/fd/{folder}/{SOCKET_NAME}")
        os.close(folder)
        connection.settimeout(3)
        connection.sendall(line)
        assert answer in connection.recv(65536)
    assert {row["state"] for row in stack.run(stack.world.status())["nodes"].values()} == {"running"}


def test_every_process_is_in_the_daemons_session(stack: Stack) -> None:
    """The stack is a session of its own, led by its parent process, so that no terminal's signal reaches it."""
    leader = daemon_pid(stack.world)
    out = subprocess.run(["ps", "-s", str(leader), "-o", "pid="], capture_output=True, text=True, check=True).stdout
    assert os.getsid(leader) == leader
    assert len(out.split()) == 19


def test_a_paused_node_that_somebody_wakes_is_told_as_lacking(stack: Stack) -> None:
    """The supervisor still has the hold; the kernel says that the process runs."""
    carrier = node("melbourne.vault")
    paused = stack.run(stack.world.hold(carrier, "f-node", NodeEffect("paused")))
    os.kill(paused["pid"], signal.SIGCONT)
    seen = stack.run(stack.world.read(carrier))
    stack.run(stack.world.release(carrier, "f-node"))
    assert "lacking" not in paused
    assert seen["lacking"] == ["is running, though it is held paused"]
