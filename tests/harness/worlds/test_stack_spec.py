"""The specification of a stack: what it may be asked for, and what a seed decides."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.worlds.stack_spec import DEFAULT_MACHINES, build_stack
from brownout.identity.azure.records import federated_credentials
from brownout.identity.azure.service_accounts import cluster_issuer
from brownout.identity.core.topology import REGIONS
from support.identity_stacks import MACHINES


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pins": {"sidney": "1.0"}}, "'sidney'"),
        ({"builds": {"perth": "1.0"}}, "'perth'"),
        ({"force_managed_key": ["melborne"]}, "'melborne'"),
    ],
)
def test_a_setting_for_a_region_that_there_is_not_is_refused(settings: dict[str, Any], words: str) -> None:
    """A pin on a misspelt region would silently pin nothing: it is refused, with the region that was meant."""
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, settings=settings)
    assert words in refused.value.message
    assert "sydney" in refused.value.hint or "melbourne" in refused.value.hint


MACHINE_MISTAKES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"web": {"region": "perth"}}, "no region 'perth'"),
    ({"web": {}}, "no region ''"),
    ({"web": {"region": "sydney", "zone": "z9"}}, "no zone 'z9'"),
    ({"web": {"region": "sydney", "contu": 3}}, "no key 'contu'"),
    ({"web": {"region": "sydney", "count": 0}}, "count is 0"),
    ({"web": {"region": "sydney", "count": -1}}, "count is -1"),
    ({"web": {"region": "sydney", "count": "3"}}, "count is '3'"),
    ({"web": {"region": "sydney", "count": True}}, "count is True"),
    ({"web": {"region": "sydney", "count": 10**6}}, "count is 1000000"),
    ({"web": {"region": "sydney", "scale_set": "yes"}}, "scale_set is 'yes'"),
    ({"web": {"region": "sydney", "identities": "x"}}, "identities is 'x'"),
    ({"web": {"region": "sydney", "identities": [1]}}, "identities is [1]"),
    ({"web": {"region": "sydney", "identities": ["x@perth"]}}, "no region 'perth'"),
    ({"web": 3}, "keys and values are needed"),
    ({"we_b": {"region": "sydney"}}, "no name for a machine"),
    ({"a/b": {"region": "sydney"}}, "no name for a machine"),
    ({"web": {"region": "sydney", "identities": ["x"], "pods": 1}}, "pods is 1"),
    ({"web": {"region": "sydney", "pods": True}}, "pods need a user-assigned identity"),
    ({"web": {"region": "sydney", "identities": [], "pods": True}}, "pods need a user-assigned identity"),
    ({"web": {"region": "sydney", "count": 21, "identities": ["x"], "pods": True}}, "service accounts of 21 machines"),
    ({"web": {"region": "sydney", "count": 2}, "web-1": {"region": "sydney"}}, "a machine 'web-1' already"),
)


@pytest.mark.parametrize(("machines", "words"), MACHINE_MISTAKES)
def test_a_machine_that_cannot_be_is_refused(machines: dict[str, Any], words: str) -> None:
    """Each wrong machine has a message that names it and a hint; nothing is made."""
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, machines=machines)
    assert words in refused.value.message
    assert refused.value.hint


def test_the_first_identity_of_a_node_trusts_its_pods() -> None:
    """One credential for each machine, and one for all of a scale set's, of the machine's own cluster; others trust nobody."""
    nodes = {"region": "sydney", "identities": ["x", "y"], "pods": True}
    machines = {"node": {**nodes, "count": 20}, "set": {**nodes, "identities": ["z@melbourne"], "scale_set": True}}
    stack = build_stack(seed=1, machines=machines)
    assert set(stack.details) == {"x", "z"}
    (found,) = federated_credentials(stack.details["z"])
    assert (found.issuer, found.subject) == (cluster_issuer(stack, "sydney"), "system:serviceaccount:default:set")
    assert [each.name for each in federated_credentials(stack.details["x"])] == [f"node-{number}" for number in range(1, 21)]
    assert build_stack(seed=1).details == {}


def test_an_identity_has_one_home() -> None:
    """A name that two machines would place in two regions is refused, with how to say which is meant."""
    machines = {"a": {"region": "sydney", "identities": ["shared"]}, "b": {"region": "melbourne", "identities": ["shared"]}}
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, machines=machines)
    assert "shared@sydney" in refused.value.hint


def test_one_seed_makes_one_stack_and_another_seed_another() -> None:
    """A stack is a pure function of seed, settings and machines; ids and secrets of two seeds differ."""
    one, same, other = build_stack(seed=1), build_stack(seed=1), build_stack(seed=2)
    assert one == same
    assert one.tenant_id != other.tenant_id
    assert one.store_keys != other.store_keys
    assert one.identity("web-1-system").object_id != other.identity("web-1-system").object_id


def test_a_machine_more_does_not_change_the_others() -> None:
    """Ids depend on the seed and the name alone, so adding a machine leaves the rest as it was."""
    small = build_stack(seed=1, machines=MACHINES)
    large = build_stack(seed=1, machines={"first": {"region": "sydney"}, **MACHINES})
    assert set(small.identities) < set(large.identities)


def test_the_control_token_can_be_given() -> None:
    """A run may bring its own control token, and nothing else changes."""
    assert build_stack(seed=1, control_token="own").control_token == "own"


def test_the_default_stack_has_both_regions_and_three_zones() -> None:
    """Seventeen nodes: two home roles, the edge, and store, three token zones, host, management and vault in each region."""
    spec = build_stack(seed=1)
    assert len(spec.nodes()) == 17
    assert {machine.name for machine in spec.machines} >= {"web-1", "batch", *(set(DEFAULT_MACHINES) & {"scaleout"})}
    assert spec.token_nodes("melbourne") == ("melbourne.token.z1", "melbourne.token.z2", "melbourne.token.z3")
    with pytest.raises(KeyError):
        spec.identity("nobody")


def test_a_stack_may_have_any_regions_and_a_home_among_them() -> None:
    """The home region holds the control plane, whichever it is; every region has machines of its own."""
    spec = build_stack(seed=1, regions=("virginia", "dublin", "tokyo"), home="dublin", vendors=("aws",))
    assert spec.home_region == "dublin"
    assert {"dublin.directory", "dublin.deployer"} <= set(spec.nodes())
    assert {machine.region for machine in spec.machines} == set(spec.regions) == set(spec.store_keys)
    assert {"web-1", "web-tokyo-1", "scaleout-virginia"} <= {machine.name for machine in spec.machines}


def test_the_first_region_is_home_where_none_is_named() -> None:
    """The usual stack is at home in Sydney, another in its first region."""
    assert build_stack(seed=1).home_region == "sydney"
    assert build_stack(seed=1, regions=("tokyo", "sydney")).home_region == "tokyo"


@pytest.mark.parametrize(
    ("regions", "home", "words"),
    [
        (("virgina",), "", "no region 'virgina'"),
        (("tokyo", "tokyo"), "", "named twice"),
        (("tokyo",), "dublin", "'dublin' is none of the stack's"),
    ],
)
def test_regions_that_cannot_be_are_refused(regions: tuple[str, ...], home: str, words: str) -> None:
    """A region that there is not, one named twice and a home elsewhere each have a message."""
    with pytest.raises(UsageError, match=words):
        build_stack(seed=1, regions=regions, home=home)


def test_a_failing_region_has_a_partner_that_names_it() -> None:
    """Every region's pair is a region, and no region is its own pair."""
    assert all(region.pair in REGIONS and region.pair != name for name, region in REGIONS.items())
