"""Settings, names and stacks: what is wrong is said before anything starts, with what was meant."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.worlds.stack_spec import DEFAULT_MACHINES, build_stack
from brownout.identity.core.settings import BUILDS, Settings, check_config
from brownout.identity.core.topology import Link, NodeName, link_between
from support.identity_stacks import MACHINES


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"token_lifetme_s": 1}, "did you mean 'token_lifetime_s'"),
        ({"pin": {}}, "did you mean 'pins'"),
        ({"zzz": 1}, "no setting 'zzz'"),
        ({"token_lifetime_s": "1h"}, "a number that is not negative"),
        ({"token_lifetime_s": -1}, "a number that is not negative"),
        ({"token_lifetime_s": True}, "a number that is not negative"),
        ({"token_lifetime_s": float("inf")}, "a number that is not negative"),
        ({"token_lifetime_s": float("nan")}, "a number that is not negative"),
        ({"token_lifetime_s": 0}, "above 0"),
        ({"publish_interval_s": 0}, "above 0"),
        ({"call_timeout_ms": 0}, "above 0"),
        ({"host_refresh_fraction": 0}, "a share of a token's life"),
        ({"host_refresh_fraction": 1.1}, "a share of a token's life"),
        ({"instance_refresh_fraction": 0}, "a share of a token's life"),
        ({"host_cache": "yes"}, "host_cache is bool"),
        ({"ambiguous_text": 2024}, "ambiguous_text is str"),
        ({"ambiguous_text": "2023"}, "one of 2020, 2024"),
        ({"token_alg": "HS256"}, "one of ES256, RS256"),
        ({"store_access": "magic"}, "one of key, managed-identity"),
        ({"builds": ["2.0"]}, "is a table"),
        ({"builds": {"sydney": "3.0"}}, "no build '3.0'"),
        ({"pins": {"sydney": 1.0}}, "no build 1.0"),
        ({"pins": {"sydney": ["1.0"]}}, "no build ['1.0']"),
        ({"force_managed_key": "sydney"}, "a list of names"),
        ({"extra_resources": [1]}, "a list of names"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_was_meant(raw: dict[str, Any], words: str) -> None:
    """Each wrong setting has a message that names it, what it is, and the nearest that there is; the stack is not made."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Settings.of(raw)
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, settings=raw)
    assert refused.value.message.startswith("settings: ")
    assert words in refused.value.message


def test_every_setting_has_a_default_that_is_valid() -> None:
    """No settings at all make a sound stack."""
    assert Settings.of({}) == Settings()


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_can_be_started_with(build: str) -> None:
    """Builds and pins may name any build that there is."""
    made = Settings.of({"builds": {"sydney": build}, "pins": {"melbourne": build}})
    assert (made.builds["sydney"], made.pins["melbourne"]) == (build, build)


@pytest.mark.parametrize("wanted", [{"force_manged_key": True}, {"force_managed_key": 1}, {"force_managed_key": None}])
def test_a_nodes_configuration_is_checked(wanted: dict[str, Any]) -> None:
    """A node is configured with what it knows, true or false, and nothing else."""
    with pytest.raises(ValueError, match="force_man"):
        check_config(wanted)


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
    ({"machines": {"region": "sydney"}}, "no name for a machine"),
    ({"we_b": {"region": "sydney"}}, "no name for a machine"),
    ({"a/b": {"region": "sydney"}}, "no name for a machine"),
    ({"web": {"region": "sydney", "count": 2}, "web-1": {"region": "sydney"}}, "a machine 'web-1' already"),
)


@pytest.mark.parametrize(("machines", "words"), MACHINE_MISTAKES)
def test_a_machine_that_cannot_be_is_refused(machines: dict[str, Any], words: str) -> None:
    """Each wrong machine has a message that names it and a hint; nothing is made."""
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, machines=machines)
    assert words in refused.value.message
    assert refused.value.hint


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
    """Sixteen nodes: two home roles, and store, three token zones, host, management and vault in each region."""
    spec = build_stack(seed=1)
    assert len(spec.nodes()) == 16
    assert {machine.name for machine in spec.machines} >= {"web-1", "batch", *(set(DEFAULT_MACHINES) & {"scaleout"})}
    assert spec.token_nodes("melbourne") == ("melbourne.token.z1", "melbourne.token.z2", "melbourne.token.z3")
    with pytest.raises(KeyError):
        spec.identity("nobody")


def test_links_join_existing_nodes_and_every_call_has_one() -> None:
    """Each link ends at a node of the stack, none is there twice, and no client has a link to a store."""
    spec = build_stack(seed=1)
    links = spec.links()
    assert len(set(links)) == len(links)
    assert {link.target for link in links} <= set(spec.nodes())
    assert Link("client", "sydney.store") not in links
    assert link_between("melbourne.token.z2", "sydney.store") in links
    assert Link("melbourne.management", "sydney.host") not in links


@pytest.mark.parametrize("text", ["", "sydney", "sydney.", ".store", "a.b.c.d", "sydney..z1"])
def test_a_text_that_is_no_node_name_is_refused(text: str) -> None:
    """Names have two or three parts and none of them is empty."""
    with pytest.raises(ValueError, match="is not a node name"):
        NodeName.parse(text)


@pytest.mark.parametrize("text", ["", "a", "a->", "->b", "a-b"])
def test_a_text_that_is_no_link_is_refused(text: str) -> None:
    """A link is `source->target`."""
    with pytest.raises(ValueError, match="is not a link"):
        Link.parse(text)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("melbourne.token->sydney.store", True),
        ("melbourne->sydney", True),
        ("melbourne->sydney.store", True),
        ("*->sydney.store", True),
        ("melbourne.token->*", True),
        ("melbourne.tok->sydney", False),
        ("sydney->sydney", False),
        ("client->sydney.store", False),
        ("melbourne->sydney.store.z1", False),
    ],
)
def test_a_pattern_matches_by_whole_parts(pattern: str, matches: bool) -> None:
    """A pattern may leave trailing parts away, and parts match whole."""
    assert Link.parse("melbourne.token->sydney.store").matches(pattern) is matches
