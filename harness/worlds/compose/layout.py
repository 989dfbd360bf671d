"""The layout of a stack of containers: services, networks and Toxiproxy's ports, all computed from the stack's names.

Theory. Toxiproxy is the only container on more than one network, so every path between networks is one of its proxies.
It has one for each link of the stack (`melbourne.token->sydney.store`), one for the control plane of each node and prober
(`control->sydney.store`), which no fault touches, and one for the load's dashboard. Proxies that are used from outside of
the containers come first and are published as one range of loopback ports; the rest are reachable inside only.

compose/compose.yaml and compose/toxiproxy.json are written from this (`python -m brownout.compose.write`); a test fails
when they are stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.core.settings import BUILDS
from brownout.identity.core.topology import CLIENT, StackSpec

OLD_BUILDS = tuple(BUILDS)[:-1]  # each has an image of its own; the newest is in the usual image

TOXIPROXY, FIREWALL, INIT = "toxiproxy", "firewall", "init"
EDGE = "edge"  # the network from which Toxiproxy's ports are published; it alone is on it
DASHBOARD, DASHBOARD_PORT = "load-master", 8089
CONTROL, PROBER = "control", "prober"
API_PORT, NODE_PORT, FIRST_LISTEN = 8474, 8080, 20000
DEFAULT_FIRST_PORT = 20100  # on the machine, where `docker compose up` is used by itself
SPEC_FOLDER, STATE_FOLDER = "/spec", "/state"


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: its name, the port it listens on inside, the service behind it, whether it is published on loopback."""

    name: str
    port: int
    service: str
    published: bool

    @property
    def upstream(self) -> str:
        """`host:port` of the service behind it."""
        return f"{self.service}:{DASHBOARD_PORT if self.service == DASHBOARD else NODE_PORT}"

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


def proxies(stack: StackSpec) -> tuple[Proxy, ...]:
    """Every proxy, the published ones first and on consecutive ports."""
    links = stack.links()
    outside = [(str(link), link.target) for link in links if link.source == CLIENT]
    outside += [(control_name(node), node) for node in (*stack.nodes(), *probers(stack), DASHBOARD)]
    inside = [(str(link), link.target) for link in links if link.source != CLIENT]
    named = [*((*pair, True) for pair in outside), *((*pair, False) for pair in inside)]
    return tuple(
        Proxy(name, FIRST_LISTEN + number, service_of(target), published)
        for number, (name, target, published) in enumerate(named)
    )


def toxiproxy_config(stack: StackSpec) -> list[dict[str, Any]]:
    """The rows of Toxiproxy's configuration file."""
    return [
        {"name": proxy.name, "listen": f"0.0.0.0:{proxy.port}", "upstream": proxy.upstream, "enabled": True}
        for proxy in proxies(stack)
    ]


def inside_links(stack: StackSpec) -> Mapping[str, str]:
    """`host:port` at which containers reach each link, by link."""
    return {proxy.name: proxy.inside for proxy in proxies(stack) if not proxy.name.startswith(f"{CONTROL}->")}


def published_ports(stack: StackSpec, first_port: int) -> Mapping[str, int]:
    """The loopback port of each published proxy."""
    shown = [proxy for proxy in proxies(stack) if proxy.published]
    return {proxy.name: first_port + proxy.port - FIRST_LISTEN for proxy in shown}


def public_urls(stack: StackSpec, first_port: int) -> Mapping[str, str]:
    """The base URL of every node that clients use, as seen from the machine."""
    ports = published_ports(stack, first_port)
    named = {node: ports.get(f"{CLIENT}->{node}") for node in stack.nodes()}
    return {node: f"http://127.0.0.1:{port}" for node, port in named.items() if port is not None}
