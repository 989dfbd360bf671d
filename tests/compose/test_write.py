"""The compose file says what the stack's names say, and no service of it opens a wall. Needs no engine."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml

from brownout.compose.firewall import DOOR_PORTS, rules
from brownout.compose.write import written
from brownout.harness.worlds.compose.init_container import served_stack
from brownout.harness.worlds.compose.layout import (
    FIREWALL,
    INIT,
    TOXIPROXY,
    inside_links,
    network_of,
    networks,
    probers,
    proxies,
    public_urls,
    published_ports,
    service_of,
)
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, DOOR_KINDS, REGIONS
from brownout.identity.server.clock import Clock
from brownout.identity.server.shared_spec import door_ports
from brownout.identity.server.spec_file import Authority

STACK = build_stack(seed=1, vendors=ALL_VENDORS)
FILE: dict[str, Any] = yaml.safe_load(next(text for path, text in written().items() if path.name == "compose.yaml"))
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
MEMBERS = (*STACK.nodes(), *probers(STACK))


def test_what_is_in_the_repository_is_fresh() -> None:
    """compose.yaml and toxiproxy.json are what `python -m brownout.compose.write` would write now."""
    stale = [path.name for path, text in written().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `python -m brownout.compose.write`"


@pytest.mark.parametrize("member", MEMBERS)
def test_every_node_is_a_service_of_its_own(member: str) -> None:
    """A node or prober is one service on the network of its region, with its own name as its last argument."""
    service = SERVICES[service_of(member)]
    assert service["networks"] == [network_of(member)]
    assert service["command"][-1] == member
    assert "ports" not in service


def test_there_is_nothing_else() -> None:
    """Besides nodes and probers there are Toxiproxy, its firewall and the init container; more comes with a profile only."""
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert always == {TOXIPROXY, FIREWALL, INIT, *map(service_of, MEMBERS)}


def test_only_toxiproxy_is_on_two_networks() -> None:
    """It is on every network; any other service is on one at most, and the firewall has Toxiproxy's."""
    assert set(SERVICES[TOXIPROXY]["networks"]) == set(FILE["networks"])
    others = {name: service for name, service in SERVICES.items() if name != TOXIPROXY}
    assert {name for name, service in others.items() if len(service.get("networks", ())) != 1} == {FIREWALL, INIT}
    assert (SERVICES[FIREWALL]["network_mode"], SERVICES[INIT]["network_mode"]) == (f"service:{TOXIPROXY}", "none")


def test_only_the_edge_has_the_machine_on_it() -> None:
    """The networks of regions and clients are internal, without an address of the machine; the one left hides nothing."""
    shut = {name for name, network in FILE["networks"].items() if network.get("internal")}
    assert shut == set(networks(STACK))
    inhibit = "com.docker.network.bridge.inhibit_ipv4"
    assert all(FILE["networks"][name]["driver_opts"] == {inhibit: "true"} for name in shut)
    (edge,) = (network for name, network in FILE["networks"].items() if name not in shut)
    assert edge["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_nothing_is_published_but_on_loopback() -> None:
    """Toxiproxy alone publishes, and each of its ports on 127.0.0.1."""
    assert [name for name, service in SERVICES.items() if "ports" in service] == [TOXIPROXY]
    assert [port for port in SERVICES[TOXIPROXY]["ports"] if not str(port).startswith("127.0.0.1:")] == []


def test_as_many_ports_are_published_as_there_are_proxies_to_publish() -> None:
    """The ranges of the file are those of the plan, inside and outside."""
    (ranges,) = (port for port in SERVICES[TOXIPROXY]["ports"] if "BROWNOUT_PORTS" in port)
    first, last, inside_first, inside_last = map(int, re.findall(r"\d{5}", ranges))
    shown = [proxy.port for proxy in proxies(STACK) if proxy.published]
    assert (inside_first, inside_last) == (shown[0], shown[-1])
    assert list(published_ports(STACK, first).values()) == list(range(first, last + 1))


@pytest.mark.parametrize("kind", ["services", "networks", "volumes"])
def test_everything_is_labelled(kind: str) -> None:
    """Every container, network and volume says which stack it is of and whose."""
    bare = [name for name, row in FILE[kind].items() if not {"brownout.stack", "brownout.owner"} <= set(row["labels"])]
    assert bare == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_without_rights(name: str) -> None:
    """Read-only root, no capability but the firewall's one, no new privileges, and no user that is root but the firewall's."""
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"], service["restart"]) == (True, ["ALL"], "no")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["NET_ADMIN"] if name == FIREWALL else [])
    assert service["user"] == ("0:10001" if name == FIREWALL else "10001:10001")
    assert [key for key in ("privileged", "pid", "ipc", "devices", "extra_hosts") if key in service] == []


@pytest.mark.parametrize("name", [name for name in SERVICES if name != INIT])
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    """`docker compose up --wait` waits for something."""
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("node", STACK.nodes())
def test_nodes_are_told_of_proxies_only(node: str) -> None:
    """Every address that a node gets is a port of Toxiproxy that belongs to that very link."""
    told = served_stack(STACK, Clock.starting_now(0.0, 1.0), Authority("", "", ""), first_port=21000).addresses_for(node)
    links = inside_links(STACK)
    assert set(told.values()) <= set(links.values())
    assert all(links[link] == address for link, address in links.items() if address in told.values())
    assert all(address.startswith(f"{TOXIPROXY}:") for address in told.values())


def test_client_urls_are_on_loopback() -> None:
    """What the stack file says is where the machine finds a node: a port of its own on 127.0.0.1."""
    urls = list(public_urls(STACK, 21000).values())
    assert len(urls) == len(set(urls)) > 0
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", url) for url in urls)


def test_a_door_is_known_by_the_port_that_the_machine_finds_it_at() -> None:
    """Its proxy's on loopback. So the URLs that nodes give clients who came by a door lead back to that door."""
    served = served_stack(STACK, Clock.starting_now(0.0, 1.0), Authority("", "", ""), first_port=21000)
    ports = published_ports(STACK, 21000)
    assert served.doors == {door: f"127.0.0.1:{ports[f'door->{door}']}" for door in STACK.doors()}
    assert served.stack.public_urls["arm.sydney"] == f"https://localhost:{ports['door->arm.sydney']}"


def test_the_firewall_lets_toxiproxy_through_to_every_door() -> None:
    """Of a stack of all regions and vendors, which has as many doors as there can be."""
    stack = build_stack(seed=1, vendors=ALL_VENDORS, regions=tuple(REGIONS))
    first, last = map(int, DOOR_PORTS.split(":"))
    assert len(door_ports(stack)) == len(DOOR_KINDS) * len(REGIONS)
    assert set(door_ports(stack).values()) <= set(range(first, last + 1))
    admitted = [rule for rule in rules([IPv4Network("172.21.0.0/16")], "172.21.0.1", "1:2") if DOOR_PORTS in str(rule)]
    assert [rule[-1] for rule in admitted] == ["ACCEPT"]
