"""Which stacks the world of containers takes, and the files that it writes for one. Needs no engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from brownout.harness.worlds.compose.compose_files import COMPOSE_NAME, PROXIES_NAME, write_compose_files
from brownout.harness.worlds.compose.layout import networks, probers, proxies, service_of
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, REGIONS, StackSpec


def stack_of(*regions: str, home: str = "") -> StackSpec:
    return build_stack(seed=1, vendors=ALL_VENDORS, regions=regions, home=home)


@pytest.fixture
def own(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[StackSpec, dict[str, Any]]:
    """A stack with regions of its own, and its compose file."""
    spec = stack_of("tokyo", "capetown", "milan", home="milan")
    write_compose_files(spec, tmp_path)
    return spec, yaml.safe_load((tmp_path / COMPOSE_NAME).read_text())


@pytest.mark.parametrize(
    ("regions", "home"), [(("tokyo",), ""), (("sydney", "melbourne"), "melbourne"), (tuple(REGIONS), "virginia")]
)
def test_any_regions_will_do(tmp_path: Path, regions: tuple[str, ...], home: str) -> None:
    """The world takes what `build_stack` makes, as the other worlds do."""
    world = ComposeWorld.create(stack_of(*regions, home=home), folder=tmp_path / "s", epoch_s=0.0, rate=1.0)
    assert set(world.expected_proxies) >= {str(link) for link in world.spec.links()}


def test_a_stack_has_its_own_containers_and_networks(own: tuple[StackSpec, dict[str, Any]]) -> None:
    """One service for each node and prober, one network for each region and for clients, and nothing of other regions."""
    spec, file = own
    always = {name for name, service in file["services"].items() if "profiles" not in service}
    assert always == {"toxiproxy", "firewall", "init", *map(service_of, (*spec.nodes(), *probers(spec)))}
    assert set(file["networks"]) == {*networks(spec), "edge"}
    assert set(file["services"]["toxiproxy"]["networks"]) == set(file["networks"])
    assert "sydney" not in str(file)


def test_a_stacks_own_file_builds_nothing(own: tuple[StackSpec, dict[str, Any]]) -> None:
    """It is in the state folder, where there is nothing to build images from."""
    assert [name for name, service in own[1]["services"].items() if "build" in service] == []


def test_what_a_container_has_to_read_it_may(own: tuple[StackSpec, dict[str, Any]], tmp_path: Path) -> None:
    """Toxiproxy's user is another than the stack's owner; its configuration has no secret."""
    assert (tmp_path / PROXIES_NAME).stat().st_mode & 0o004
    assert own[0].control_token not in (tmp_path / PROXIES_NAME).read_text()


def test_doors_lead_to_the_edge_and_are_the_machines_alone(own: tuple[StackSpec, dict[str, Any]]) -> None:
    """Each at a port of its own; what the firewall keeps for the machine is one range with the control planes."""
    spec, file = own
    doors = [proxy for proxy in proxies(spec) if proxy.name.startswith("door->")]
    assert [proxy.name for proxy in doors] == [f"door->{door}" for door in spec.doors()]
    assert {proxy.service for proxy in doors} == {"client-edge"}
    assert len({proxy.service_port for proxy in doors}) == len(doors) == 18
    first, last = map(int, file["services"]["firewall"]["environment"]["BROWNOUT_CONTROL_PORTS"].split(":"))
    assert [proxy.name for proxy in proxies(spec) if first <= proxy.port <= last] == [
        proxy.name for proxy in proxies(spec) if proxy.machines
    ]
