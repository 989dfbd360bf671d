"""The layout of a stack of containers: services, networks and Toxiproxy's ports, all computed from the stack's names.

Theory. Toxiproxy is the only container on more than one network, so every path between networks is one of its proxies.
It has one for each link of the stack (`melbourne.token->sydney.store`). No fault touches the others: one for the control plane
of each node and prober (`control->sydney.store`), one for the load's dashboard, and one for each door of the edge
(`door->proxy.sydney`), through which clients on the machine come; the edge goes on over the links. Proxies that are used from
outside of the containers come first and are published as one range of loopback ports; the rest are reachable inside only.

The files of a stack are written from this (brownout.harness.worlds.compose.compose_files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.harness.base.ports import HOST
from brownout.identity.core.settings import BUILDS
from brownout.identity.core.topology import CLIENT, EDGE_NODE, StackSpec
from brownout.identity.server.shared_spec import door_ports

OLD_BUILDS = tuple(BUILDS)[:-1]  # each has an image of its own; the newest is in the usual image

TOXIPROXY, FIREWALL, INIT = "toxiproxy", "firewall", "init"
EDGE = "edge"  # the network from which Toxiproxy's ports are published; it alone is on it
DASHBOARD, DASHBOARD_PORT = "load-master", 8089
CONTROL, DOOR, PROBER = "control", "door", "prober"
API_PORT, NODE_PORT, FIRST_LISTEN = 8474, 8080, 20000
DEFAULT_FIRST_PORT = 20100  # on the machine, where `docker compose up` is used by itself
SPEC_FOLDER, STATE_FOLDER = "/spec", "/state"


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its name, the port it listens on inside, the service behind it and that one's port.

    It may be `published` on loopback; what is `machines` only the machine may use, and the containers of the stack may not.
    """

    name: str
    port: int
    service: str
    service_port: int
    published: bool
    machines: bool

    @property
    def upstream(self) -> str:
        """`host:port` of the service behind it."""
        return f"{self.service}:{self.service_port}"

    @property
    def inside(self) -> str:
        """`host:port` at which containers reach it."""
        return f"{TOXIPROXY}:{self.port}"


def service_of(node: str) -> str:
    """The compose service of a node or prober: `sydney.token.z1` is `sydney-token-z1`."""
    return node.replace(".", "-")


def tag_variable(node: str) -> str:
    """The variable of the compose file that gives one node another image tag."""
    return "BROWNOUT_TAG_" + service_of(node).replace("-", "_").upper()


def network_of(node: str) -> str:
    """The network that a node or prober is on: that of its region, or `client`."""
    return node.partition(".")[0]


def networks(stack: StackSpec) -> tuple[str, ...]:
    return (*stack.regions, CLIENT)


def probers(stack: StackSpec) -> tuple[str, ...]:
    """One prober on each network, which probes links from their source's side."""
    return tuple(f"{network}.{PROBER}" for network in networks(stack))


def control_name(node: str) -> str:
    """The proxy of a node's control plane."""
    return f"{CONTROL}->{node}"


def door_name(door: str) -> str:
    """The proxy of a door of the edge."""
    return f"{DOOR}->{door}"


def proxies(stack: StackSpec) -> tuple[Proxy, ...]:
    """Every proxy on consecutive ports: those of clients, those of the machine, and those within."""
    links = stack.links()
    clients = [(str(link), service_of(link.target), NODE_PORT) for link in links if link.source == CLIENT]
    machines = [(control_name(node), service_of(node), NODE_PORT) for node in (*stack.nodes(), *probers(stack))]
    machines += [(control_name(DASHBOARD), DASHBOARD, DASHBOARD_PORT)]
    machines += [(door_name(door), service_of(EDGE_NODE), port) for door, port in door_ports(stack).items()]
    within = [(str(link), service_of(link.target), NODE_PORT) for link in links if link.source != CLIENT]
    rows = [*((*row, True, False) for row in clients), *((*row, True, True) for row in machines)]
    rows += [(*row, False, False) for row in within]
    return tuple(
        Proxy(name, FIRST_LISTEN + number, service, port, published, own)
        for number, (name, service, port, published, own) in enumerate(rows)
    )


def toxiproxy_config(stack: StackSpec) -> list[dict[str, Any]]:
    """The rows of Toxiproxy's configuration file."""
    return [
        {"name": proxy.name, "listen": f"0.0.0.0:{proxy.port}", "upstream": proxy.upstream, "enabled": True}
        for proxy in proxies(stack)
    ]


def inside_links(stack: StackSpec) -> Mapping[str, str]:
    """`host:port` at which containers reach each link, by link."""
    return {proxy.name: proxy.inside for proxy in proxies(stack) if not proxy.machines}


def published_ports(stack: StackSpec, first_port: int) -> Mapping[str, int]:
    """The loopback port of each published proxy."""
    shown = [proxy for proxy in proxies(stack) if proxy.published]
    return {proxy.name: first_port + proxy.port - FIRST_LISTEN for proxy in shown}


def public_urls(stack: StackSpec, first_port: int) -> Mapping[str, str]:
    """The base URL of every node that clients use, as seen from the machine."""
    ports = published_ports(stack, first_port)
    named = {node: ports.get(f"{CLIENT}->{node}") for node in stack.nodes()}
    return {node: f"http://{HOST}:{port}" for node, port in named.items() if port is not None}


def doors(stack: StackSpec, first_port: int) -> Mapping[str, str]:
    """`host:port` at which clients on the machine reach each door of the edge."""
    ports = published_ports(stack, first_port)
    return {door: f"{HOST}:{ports[door_name(door)]}" for door in stack.doors()}
