"""Proves on a standing stack of containers that no path goes round Toxiproxy and that nothing gets out.

Theory. A path round Toxiproxy needs one of these: a container that can connect to one on another network, or to the machine,
which could forward; a container other than Toxiproxy on two networks; a node whose specification has an address that is no
proxy's. So connections are attempted from inside every container to all that it must not reach; the engine's records give
the members and rights of each network; and each node's specification and TCP connections are read.

An attempt must be able to succeed, or its failure proves nothing. Three counter-checks ensure that:

- Every container must also reach a proxy.
- The targets on the machine are listeners of this check, on the machine's addresses on Docker's networks; each is first
  reached from the machine itself.
- The foreign network is made by this check, with a listener on it.

No address beyond this machine is tried: the machine is the only gateway, so without a way to it there is no way out.

Containers on one network reach each other. Between regions, and from the client network to a service, none may.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base.ports import HOST
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.worlds.compose.engine import OWNER_LABEL, STACK_LABEL, DockerEngine
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from brownout.harness.worlds.compose.inspected import SERVICE_LABEL, Confined, Network
from brownout.harness.worlds.compose.layout import (
    API_PORT,
    DASHBOARD,
    DASHBOARD_PORT,
    FIREWALL,
    INIT,
    NODE_PORT,
    TOXIPROXY,
    inside_links,
    proxies,
    service_of,
)
from brownout.harness.worlds.compose.stack import ComposeStack, owner, read_compose_stack
from brownout.harness.worlds.compose.topology.rules import Violation, rule_violations
from brownout.identity.core.topology import CLIENT, EDGE_NODE, StackSpec
from brownout.identity.server.shared_spec import FIRST_DOOR_PORT, SPEC_NAME
from brownout.identity.server.spec_file import read_served

TRY_TIMEOUT_S = 1.5
LOOKERS = 8
BACKLOG = 128
ATTEMPTS = 20
FIREWALL_PORT = API_PORT + 1
CHECK_SERVICE, OUTSIDER = "topology-check", "-outsider-"
MACHINE_NAME = "host.docker.internal"  # where the engine runs in a virtual machine, this is the way to the real one
NO_MACHINE = "the machine has no address on Docker's networks, so only its name was tried from inside"
_SCRIPT = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
_LISTEN = f"""
import socket, time
server = socket.create_server(("0.0.0.0", {NODE_PORT}), backlog={BACKLOG})
time.sleep(600)
"""


@dataclass(frozen=True, slots=True)
class Topology:
    """The result. `attempts` connections had to fail; `notes` name what could not be tried on this machine."""

    stack: str
    containers: int
    attempts: int
    findings: tuple[Violation, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InsideView:
    """What was seen from inside one container: see brownout.harness.worlds.compose.topology.inside."""

    open: frozenset[str]
    peers: frozenset[str]
    links: Mapping[str, str] | None


def check_topology(folder: Path) -> Topology:
    """Checks the stack that is up in `folder`; raises WorldError when it cannot be checked, StackGone when there is none."""
    running, stack = read_compose_stack(folder), read_served(folder / SPEC_NAME).stack
    engine = DockerEngine()
    try:
        # Another check of the same stack may be under way; what it made is no part of the stack.
        containers = [each for each in engine.confined(running.stack) if each.service != CHECK_SERVICE]
        networks = [each for each in engine.networks(running.stack) if OUTSIDER not in each.name]
        if not containers:
            raise StackGone(f"the engine has no container of the stack {running.stack}", hint="`brownout down` clears it away")
        with ExitStack() as held:
            machine = held.enter_context(_machine_listeners(engine.networks()))
            outsider = held.enter_context(_outsider(engine, running))
            outside = dict.fromkeys(machine, "the machine") | {outsider: "a container on another network of the engine"}
            found = _InsideCheck(engine, running.project, stack, containers, outside).look()
        findings = (*rule_violations(containers, networks), *(finding for seen in found for finding in seen.findings))
        notes = () if len(machine) > 1 else (NO_MACHINE,)
        return Topology(running.stack, len(containers), sum(seen.attempts for seen in found), findings, notes)
    finally:
        engine.close()


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of one container: the findings, and how many connections had to fail."""

    findings: tuple[Violation, ...]
    attempts: int = 0


class _InsideCheck:
    """The part of the check that is done from inside the containers. `outside` is what none may reach, and what that is."""

    def __init__(
        self, engine: DockerEngine, project: str, stack: StackSpec, containers: Sequence[Confined], outside: Mapping[str, str]
    ) -> None:
        self._engine, self._project, self._containers, self._outside = engine, project, containers, outside
        self._told = inside_links(stack)
        self._link_ports = [each.port for each in proxies(stack) if not each.machines]
        self._machines_ports = {each.port: each.name for each in proxies(stack) if each.machines}
        self._proxy_at = {name: at for each in containers if each.service == TOXIPROXY for name, at in each.networks.items()}

    def look(self) -> tuple[_Checked, ...]:
        entered = [each for each in self._containers if each.service not in (INIT, TOXIPROXY)]
        with ThreadPoolExecutor(max_workers=LOOKERS) as pool:
            return tuple(pool.map(self._from_inside, entered))

    def _from_inside(self, container: Confined) -> _Checked:
        if not container.running:
            return _Checked((Violation(container.name, "it does not run, so nothing was tried from inside it"),))
        forbidden, expected = self._forbidden(container), self._expected(container)
        try:
            seen = self._ask(container, [*forbidden, *expected])
        except (WorldError, ValueError) as failed:
            return _Checked((Violation(container.name, f"nothing could be tried from inside it: {failed}"),))
        found = [f"it can connect to {forbidden[target]} ({target})" for target in forbidden if target in seen.open]
        if not seen.open & set(expected):
            found.append("it reaches nothing that it should, so that it reaches nothing else proves nothing")
        if container.service != FIREWALL:
            found += self._told_addresses_and_peers(container, seen)
        return _Checked(tuple(Violation(container.name, problem) for problem in found), len(forbidden))

    def _ask(self, container: Confined, targets: Sequence[str]) -> InsideView:
        wanted = json.dumps({"targets": targets, "timeout_s": TRY_TIMEOUT_S})
        code, said = self._engine.containers.run_in(container.id, ["python3", "-I", "-S", "-c", _SCRIPT, wanted])
        if code != 0:
            raise WorldError(said.strip().splitlines()[-1] if said.strip() else f"exit code {code}")
        seen = json.loads(said)
        return InsideView(frozenset(seen["open"]), frozenset(seen["peers"]), seen["links"])

    def _forbidden(self, container: Confined) -> dict[str, str]:
        """What a container must not reach, by `host:port`, and what that is."""
        if container.service == FIREWALL:
            return dict(self._outside)
        found = dict(self._outside)
        for other in self._containers:
            for network, address in other.networks.items():
                if network not in container.networks and address:
                    found |= self._foreign(other, address)
        found[f"{TOXIPROXY}:{API_PORT}"] = "Toxiproxy's API"
        found[f"{TOXIPROXY}:{FIREWALL_PORT}"] = "the firewall's control plane"
        return found | {f"{TOXIPROXY}:{port}": f"{name}, the machine's alone" for port, name in self._machines_ports.items()}

    def _foreign(self, other: Confined, address: str) -> dict[str, str]:
        """The ports of a container of another network. Toxiproxy is asked for by address only: its name is everywhere."""
        if other.service == TOXIPROXY:
            return {f"{address}:{port}": "Toxiproxy's side on another network" for port in (self._link_ports[0], API_PORT)}
        names = [name for name in (address, other.service) if name]
        ports = {DASHBOARD: (DASHBOARD_PORT,), service_of(EDGE_NODE): (NODE_PORT, FIRST_DOOR_PORT)}.get(
            other.service, (NODE_PORT,)
        )
        return {f"{name}:{port}": f"{other.service or other.name} on another network" for name in names for port in ports}

    def _expected(self, container: Confined) -> list[str]:
        """Targets of which it must reach at least one, so that failures count: its proxies; for the firewall the nodes."""
        if container.service == FIREWALL:
            return [
                f"{at}:{NODE_PORT}" for each in self._containers if each.service != TOXIPROXY for at in each.networks.values()
            ]
        return [f"{TOXIPROXY}:{port}" for port in self._link_ports]

    def _told_addresses_and_peers(self, container: Confined, seen: InsideView) -> list[str]:
        """Addresses in its specification that are no proxy's, and peers of its connections that are not Toxiproxy."""
        wrong = {link: at for link, at in (seen.links or {}).items() if self._told.get(link) != at}
        found = [f"its specification has {link} at {at}, which is no proxy of that link" for link, at in sorted(wrong.items())]
        usual = {HOST, *container.networks.values(), *(self._proxy_at.get(name, "") for name in container.networks)}
        if self._clients_at(container):  # clients may talk among themselves, as the load's do: none of them is a service
            usual |= {self._clients_at(other) for other in self._containers}
        return [*found, *(f"it has a connection with {peer}, which is not Toxiproxy" for peer in sorted(seen.peers - usual))]

    def _clients_at(self, container: Confined) -> str:
        """Its address on the network of clients; empty when it is not there."""
        return container.networks.get(f"{self._project}_{CLIENT}", "")


@contextmanager
def _machine_listeners(networks: Sequence[Network]) -> Iterator[tuple[str, ...]]:
    """Sockets on every address that the machine has on Docker's networks, as `host:port`, and one on loopback by a name
    that leads there from some engines. They take connections for as long as the block lasts; none is reachable from
    outside of the machine and its containers.
    """
    with ExitStack() as held:
        found: list[str] = []
        for address in sorted({network.gateway for network in networks if network.gateway}):
            with suppress(OSError):  # not an address of this machine, as it should be on the networks that are shut
                port = _listener(held, address)
                socket.create_connection((address, port), TRY_TIMEOUT_S).close()
                found.append(f"{address}:{port}")
        yield (*found, f"{MACHINE_NAME}:{_listener(held, HOST)}")


def _listener(held: ExitStack, address: str) -> int:
    """A listener whose connections the kernel completes; nothing is read from them."""
    server = held.enter_context(socket.create_server((address, 0), backlog=BACKLOG))
    return int(server.getsockname()[1])


@contextmanager
def _outsider(engine: DockerEngine, running: ComposeStack) -> Iterator[str]:
    """A container that listens on a network of its own, as `host:port`. Its labels are the stack's: it goes with it."""
    name = f"{running.project}{OUTSIDER}{secrets.token_hex(3)}"
    labels = {STACK_LABEL: running.stack, OWNER_LABEL: owner(), SERVICE_LABEL: CHECK_SERVICE}
    try:
        engine.make_network(name, labels)
        made = engine.containers.run(IDENTITY_IMAGE, ["-I", "-S", "-c", _LISTEN], name=name, network=name, labels=labels)
        address = f"{made.addresses[name]}:{NODE_PORT}"
        _await_listening(engine, made.id, address)
        yield address
    finally:
        engine.containers.remove(name)
        engine.remove_network(name)


def _await_listening(engine: DockerEngine, container: str, address: str) -> None:
    """Returns when it takes connections at its own address; raises WorldError."""
    wanted = json.dumps({"targets": [address], "timeout_s": TRY_TIMEOUT_S})
    for _ in range(ATTEMPTS):  # each takes the engine a tenth of a second or more
        code, said = engine.containers.run_in(container, ["python3", "-I", "-S", "-c", _SCRIPT, wanted])
        if code == 0 and json.loads(said)["open"]:
            return
    raise WorldError(
        f"a container of the check's own does not listen: {said.strip()}", hint="`brownout doctor` looks at Docker"
    )
