"""The rules of a stack of containers, on records with one thing wrong at a time. Needs no engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.harness.worlds.compose.inspected import Confined, Network
from brownout.harness.worlds.compose.layout import FIREWALL, INIT, TOXIPROXY
from brownout.harness.worlds.compose.topology.rules import rule_violations

NODE = Confined(
    id="node",
    name="p-sydney-store-1",
    service="sydney-store",
    running=True,
    networks={"p_sydney": "172.20.0.2"},
    shares="",
    published=(),
    user="10001:10001",
    read_only=True,
    added=frozenset(),
    drops_all=True,
    no_new_privileges=True,
    has_healthcheck=True,
    mounts=(),
    opened=(),
)
PROXY = replace(
    NODE,
    id="proxy",
    name="p-toxiproxy-1",
    service=TOXIPROXY,
    networks={"p_sydney": "172.20.0.3", "p_edge": "172.21.0.2"},
    published=("127.0.0.1:20100",),
    mounts=("/configs/toxiproxy",),
)
GUARD = replace(
    NODE,
    id="guard",
    name="p-firewall-1",
    service=FIREWALL,
    networks={},
    shares="proxy",
    user="0",
    added=frozenset({"NET_ADMIN"}),
)
FIRST = replace(NODE, id="init", name="p-init-1", service=INIT, networks={}, has_healthcheck=False)
INNER = Network("sydney", "p_sydney", "", True, True, True, False, ("node", "proxy"))
EDGE = Network("edge", "p_edge", "172.21.0.1", False, False, False, False, ("proxy",))
WHOLE = (NODE, PROXY, GUARD, FIRST)


def violations(*changed: Confined, networks: tuple[Network, ...] = (INNER, EDGE)) -> list[str]:
    """What is found of a stack in which these containers stand in for those with their ids."""
    new = {each.id: each for each in changed}
    return [str(each) for each in rule_violations([new.get(each.id, each) for each in WHOLE], networks)]


def test_a_stack_as_it_should_be_breaks_no_rule() -> None:
    """The firewall's capability and user, the init container's missing health check and Toxiproxy's networks are allowed."""
    assert violations() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"networks": {"p_sydney": "1", "p_client": "2"}}, "it is on 2 networks: p_client, p_sydney"),
        ({"published": ("127.0.0.1:1",)}, "it publishes 127.0.0.1:1, and only Toxiproxy may"),
        ({"shares": "proxy"}, "it uses another container's network"),
        ({"user": "root"}, "it runs as root"),
        ({"read_only": False}, "its root file system can be written"),
        ({"drops_all": False}, "it has capabilities: those that every container has"),
        ({"added": frozenset({"NET_ADMIN"})}, "it has capabilities: NET_ADMIN"),
        ({"no_new_privileges": False}, "it may gain privileges"),
        ({"has_healthcheck": False}, "it has no health check"),
        ({"mounts": ("/etc",)}, "it sees files of the machine: /etc"),
        ({"opened": ("Privileged",)}, "a wall is open: Privileged"),
    ],
)
def test_a_node_with_one_right_too_many_is_named(change: dict[str, Any], problem: str) -> None:
    """Each rule is broken by itself, and the container and the problem are said."""
    assert violations(replace(NODE, **change)) == [f"{NODE.name}: {problem}"]


def test_a_port_that_is_not_on_loopback_is_a_violation() -> None:
    """Toxiproxy publishes on loopback only."""
    assert violations(replace(PROXY, published=("0.0.0.0:20100",))) == [
        "p-toxiproxy-1: 0.0.0.0:20100 is published, and not on 127.0.0.1"
    ]


def test_the_firewall_may_share_toxiproxys_network_only() -> None:
    """In another container's namespace its rules would guard nothing."""
    assert violations(replace(GUARD, shares="node")) == ["p-firewall-1: it uses another container's network"]


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        (replace(INNER, members=("node", "other-container")), "the container other-contai, no part of this stack, is on it"),
        (replace(INNER, has_ipv6=True), "it has IPv6, for which nothing here is made"),
        (replace(EDGE, masquerades=True), "what goes out of it gets the machine's address"),
        (
            replace(INNER, without_machine=False, masquerades=False),
            f"{NODE.name} is on it, and the machine has an address there",
        ),
    ],
)
def test_a_network_with_a_way_out_is_named(network: Network, problem: str) -> None:
    """Members of another project, IPv6, hidden source addresses, and a node on a network with the machine."""
    (found,) = violations(networks=(network,))
    assert found.startswith(f"{network.name}: {problem}")
