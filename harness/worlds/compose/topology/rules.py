"""The rules of a stack of containers, checked on the engine's records; no connection is attempted here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brownout.harness.base.ports import HOST
from brownout.harness.worlds.compose.inspected import Confined, Network
from brownout.harness.worlds.compose.layout import FIREWALL, INIT, TOXIPROXY

FIREWALL_RIGHTS = frozenset({"NET_ADMIN"})
ROOT = ("", "0", "root")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it must be, and of what: a container, a network or a node."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def rule_violations(containers: Sequence[Confined], networks: Sequence[Network]) -> Iterator[Violation]:
    """Every violation of a rule."""
    for container in containers:
        yield from (Violation(container.name, problem) for problem in _container_problems(container, containers))
    known = {container.id: container for container in containers}
    for network in networks:
        foreign = [member for member in network.members if member not in known]
        members = [known[member] for member in network.members if member in known]
        yield from (Violation(network.name, problem) for problem in _network_problems(network, members))
        yield from (Violation(network.name, f"the container {each[:12]}, no part of this stack, is on it") for each in foreign)


def _container_problems(container: Confined, containers: Sequence[Confined]) -> Iterator[str]:
    yield from _ways_out(container, containers)
    firewall = container.service == FIREWALL
    if container.user.partition(":")[0] in ROOT and not firewall:
        yield "it runs as root"
    if not container.read_only:
        yield "its root file system can be written"
    if not container.drops_all or container.added - (FIREWALL_RIGHTS if firewall else frozenset()):
        yield f"it has capabilities: {', '.join(sorted(container.added)) or 'those that every container has'}"
    if not container.no_new_privileges:
        yield "it may gain privileges"
    if not container.has_healthcheck and container.service != INIT:
        yield "it has no health check"
    yield from (f"a wall is open: {each}" for each in container.opened)
    allowed = 1 if container.service == TOXIPROXY else 0  # its configuration, which it only reads
    if len(container.mounts) > allowed or any(mount.endswith(":rw") for mount in container.mounts):
        yield f"it sees files of the machine: {', '.join(container.mounts)}"


def _ways_out(container: Confined, containers: Sequence[Confined]) -> Iterator[str]:
    if container.service != TOXIPROXY:
        if len(container.networks) > 1:
            yield f"it is on {len(container.networks)} networks: {', '.join(sorted(container.networks))}"
        if container.published:
            yield f"it publishes {', '.join(container.published)}, and only Toxiproxy may"
    for bound in container.published:
        if bound.rpartition(":")[0] != HOST:
            yield f"{bound} is published, and not on {HOST}"
    if container.shares:
        host = next((each for each in containers if each.id == container.shares), None)
        if container.service != FIREWALL or host is None or host.service != TOXIPROXY:
            yield "it uses another container's network"


def _network_problems(network: Network, members: Sequence[Confined]) -> Iterator[str]:
    if network.has_ipv6:
        yield "it has IPv6, for which nothing here is made"
    if network.internal and network.without_machine:
        return
    if network.masquerades:
        yield "what goes out of it gets the machine's address"
    for member in members:
        if member.service != TOXIPROXY:
            yield f"{member.name} is on it, and the machine has an address there: only Toxiproxy, which has a firewall, may be"
