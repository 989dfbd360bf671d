"""Faults of endpoint names: whom they concern, how long resolvers keep a bad record, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from brownout.faults.name_empty import NameEmpty
from brownout.faults.name_lost import NameLost
from brownout.faults.name_nxdomain import NameNxdomain
from brownout.faults.name_reset import NameReset
from brownout.faults.name_slow import NameSlow
from brownout.faults.name_wrong import NameWrong
from brownout.harness.errors import UsageError
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core import trail
from brownout.identity.core.messages import Request
from support.fault_cases import Trial, on_stack

REGIONAL = "sts.ap-southeast-2.amazonaws.com"


async def by_name(trial: Trial, name: str, region: str = "sydney", cache: str = "") -> str:
    """What a client in the region got by the name: the node that served it, or the code of the failure."""
    own = {"x-brownout-client-name-cache": cache} if cache else {}
    request = Request("GET", "/", headers={"host": name, "x-brownout-client-region": region, **own})
    answer = await trial.world.client("client.edge", request, timeout_s=120.0)
    hops = trail.parse(trail.of(answer))
    return hops[1].node if len(hops) > 1 else str((answer.body or {})["error"]["code"])


def test_a_fault_concerns_its_own_name_and_regions_only() -> None:
    """Clients elsewhere, and clients of another name for the same nodes, are well."""

    async def story(trial: Trial) -> None:
        await NameNxdomain(name="sts.amazonaws.com", regions=("sydney",)).apply(trial.world, "f")
        assert await by_name(trial, "sts.amazonaws.com", "sydney") == "nxdomain"
        assert (await by_name(trial, "sts.amazonaws.com", "melbourne")).startswith("sydney.token.")
        assert (await by_name(trial, REGIONAL, "sydney")).startswith("sydney.token.")

    on_stack(story)


def test_resolvers_keep_a_bad_record_for_its_time_to_live() -> None:
    """After the revert the record is still wrong where it was looked up, until its time is over, and right elsewhere."""

    async def story(trial: Trial) -> None:
        fault = NameWrong(name=REGIONAL, to="melbourne", ttl="1m")
        await fault.apply(trial.world, "f")
        assert (await by_name(trial, REGIONAL)).startswith("melbourne.token.")
        await fault.revert(trial.world, "f")
        assert (await by_name(trial, REGIONAL, "melbourne")).startswith("sydney.token.")
        assert (await by_name(trial, REGIONAL)).startswith("melbourne.token.")
        await trial.world.sleep_until(trial.world.now() + fault.settles_s(trial.world.spec))
        assert (await by_name(trial, REGIONAL)).startswith("sydney.token.")

    on_stack(story)


def test_a_name_that_is_served_locally_is_wrong_elsewhere_only() -> None:
    """Clients of the region that it leads to get what they always get, so they neither prove a bite nor deny a heal."""

    async def story(trial: Trial) -> list[str]:
        fault = NameWrong(name="login.microsoftonline.com", to="sydney")
        seen = [(await fault.observe(trial.world)).state]
        await fault.apply(trial.world, "f")
        seen.append((await fault.observe(trial.world)).state)
        await fault.revert(trial.world, "f")
        await trial.world.sleep_until(trial.world.now() + fault.settles_s(trial.world.spec))
        return [*seen, (await fault.observe(trial.world)).state]

    assert on_stack(story) == ["absent", "bitten", "absent"]


def test_a_good_record_is_kept_too() -> None:
    """With a time to live of good records a fault is seen only when the resolver asks again."""

    async def story(trial: Trial) -> None:
        await by_name(trial, REGIONAL)
        await NameEmpty(name=REGIONAL).apply(trial.world, "f")
        assert (await by_name(trial, REGIONAL)).startswith("sydney.token.")
        await trial.world.sleep_until(trial.world.now() + 30)
        assert await by_name(trial, REGIONAL) == "empty"

    on_stack(story, name_ttl_s=30.0)


def test_faults_of_one_name_are_a_set() -> None:
    """The newest record counts, slowness adds to it, and reverting one leaves the other."""

    async def story(trial: Trial) -> None:
        missing, slow = NameNxdomain(name=REGIONAL), NameSlow(name=REGIONAL, delay="2s")
        await NameEmpty(name=REGIONAL).apply(trial.world, "a")
        await missing.apply(trial.world, "b")
        await slow.apply(trial.world, "c")
        began_s = trial.world.now()
        assert await by_name(trial, REGIONAL) == "nxdomain"
        assert trial.world.now() - began_s >= 2
        await missing.revert(trial.world, "b")
        assert await by_name(trial, REGIONAL) == "empty"
        await NameReset(name=REGIONAL).apply(trial.world, "d")
        assert await by_name(trial, REGIONAL) == "reset"

    on_stack(story)


SEAMLESS = "autologon.microsoftazuread-sso.com"
CACHES = {f"c{minutes};60;{minutes * 60};60": minutes for minutes in (1, 5, 30)}  # by how many minutes each keeps a bad record


def test_a_lost_record_that_is_back_is_found_again_cache_by_cache() -> None:
    """The recovery is a curve: each client is well once its own cache has let the bad answer go, and none before."""

    async def story(trial: Trial) -> None:
        fault = NameLost(name=SEAMLESS)
        for cache in CACHES:
            assert (await by_name(trial, SEAMLESS, cache=cache)).startswith("sydney.token.")
        await fault.apply(trial.world, "f")
        assert {await by_name(trial, SEAMLESS, cache=cache) for cache in CACHES} != {"nxdomain"}, "the good record is kept"
        await trial.world.sleep_until(trial.world.now() + 60)
        assert {await by_name(trial, SEAMLESS, cache=cache) for cache in CACHES} == {"nxdomain"}
        assert (await by_name(trial, "login.microsoftonline.com", cache=next(iter(CACHES)))).startswith("sydney.token.")
        await fault.revert(trial.world, "f")
        back_s = trial.world.now()
        for passed_min, well in ((0, 0), (2, 1), (6, 2), (29, 2), (31, 3)):
            await trial.world.sleep_until(back_s + passed_min * 60)
            served = [await by_name(trial, SEAMLESS, cache=cache) for cache in CACHES]
            assert sum(node != "nxdomain" for node in served) == well, passed_min
        assert (await fault.observe(trial.world)).state == "absent"

    on_stack(story)


def test_a_zone_that_checks_defends_a_name_in_use() -> None:
    """With `name_gate` the removal is refused while clients ask, and nothing is held."""

    async def story(trial: Trial) -> None:
        await by_name(trial, SEAMLESS)
        applied = await trial.life.inject("clean-up", NameLost(name=SEAMLESS))
        assert applied.state == "defended"
        assert "is in use" in applied.evidence
        assert (await by_name(trial, SEAMLESS)).startswith("sydney.token.")

    on_stack(story, name_gate=True)


def test_looks_of_faults_do_not_put_a_name_in_use() -> None:
    """A name that nobody but the harness has looked at may go."""

    async def story(trial: Trial) -> None:
        applied = await trial.life.inject("clean-up", NameLost(name=SEAMLESS))
        assert applied.state == "bitten"

    on_stack(story, name_gate=True)


def test_a_fault_survives_a_restart_of_the_edge() -> None:
    """The hold is durable: an edge that was killed comes back with the name as wrong as before."""

    async def story(trial: Trial) -> None:
        await NameNxdomain(name=REGIONAL).apply(trial.world, "f")
        node = trial.world._nodes["client.edge"]
        node.kill()
        await node.boot()
        assert await by_name(trial, REGIONAL) == "nxdomain"

    on_stack(story)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (NameNxdomain(name="sts.amazonaws.org"), "no endpoint name 'sts.amazonaws.org'"),
        (NameEmpty(name=REGIONAL, regions=("tokyo",)), "no region 'tokyo'"),
        (NameWrong(name=REGIONAL, to="tokyo"), "no region 'tokyo'"),
        (NameWrong(name=REGIONAL, to="sydney"), "leads to sydney in any case"),
    ],
)
def test_a_name_or_region_that_the_stack_lacks_is_refused(fault: Any, words: str) -> None:
    """The experiment's checks and `inject` refuse it, before anything is touched."""
    with pytest.raises(UsageError, match=words):
        fault.carriers(build_stack(seed=1, vendors=("aws",)))


def test_a_stack_without_names_says_so() -> None:
    """One of an earlier version may have no edge."""
    with pytest.raises(UsageError, match="no endpoint names"):
        NameReset(name="iam.amazonaws.com").carriers(replace(build_stack(seed=1), edge=False))


def test_azures_names_can_be_broken_as_those_of_aws_can() -> None:
    """In a stack of Azure alone AWS's are unknown, with those that there are."""
    (carrier,) = NameReset(name="login.microsoftonline.com").carriers(build_stack(seed=1))
    assert carrier.name == "client.edge"
    with pytest.raises(UsageError, match=r"(?s)'iam.amazonaws.com'.*management.azure.com"):
        NameReset(name="iam.amazonaws.com").carriers(build_stack(seed=1))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"name": REGIONAL},
        {"name": REGIONAL, "effect": "gone"},
        {"name": "x", "effect": "empty"},
        {"name": REGIONAL, "effect": "wrong"},
        {"name": REGIONAL, "effect": "wrong", "to": "perth"},
        {"name": REGIONAL, "effect": "slow"},
        {"name": REGIONAL, "effect": "empty", "delay_s": 1},
        {"name": REGIONAL, "effect": "empty", "ttl_s": -1},
        {"name": REGIONAL, "effect": "empty", "regions": ["perth"]},
        {"name": REGIONAL, "effect": "empty", "ttl_s": "long"},
    ],
)
def test_the_edge_refuses_a_switch_that_makes_no_sense(value: Mapping[str, Any]) -> None:
    """It answers 400 and holds nothing."""

    async def story(trial: Trial) -> None:
        put = Request("PUT", "/admin/holds/f", body={"switch": "name", "value": dict(value)})
        answer = await trial.world.control("client.edge", put)
        assert (answer.status, (answer.body or {})["error"]["code"]) == (400, "BadValue")
        state = await trial.world.control("client.edge", Request("GET", "/admin/state"))
        assert (state.body or {})["holds"] == {}

    on_stack(story)


def test_a_slow_name_is_looked_up_everywhere_at_once() -> None:
    """A look from two regions takes as long as one look-up."""

    async def story(trial: Trial) -> float:
        slow = NameSlow(name=REGIONAL, delay="20s")
        await slow.apply(trial.world, "f")
        began_s = trial.world.now()
        assert (await slow.observe(trial.world)).state == "bitten"
        return trial.world.now() - began_s

    assert 20 <= on_stack(story) < 21
