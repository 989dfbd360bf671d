"""What faults of overload do to clients: stores that take no writes, caches that are gone, limits that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.faults.capacity import Capacity
from brownout.faults.cold_start import ColdStart
from brownout.faults.store_read_only import StoreReadOnly
from brownout.harness.errors import UsageError
from brownout.harness.fault import node_state
from brownout.harness.worlds.control_plane import user_token
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from support.fault_cases import Trial, on_stack

IDENTITY = "/subscriptions/{0}/resourceGroups/load/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"


async def token_of(trial: Trial, machine: str) -> int:
    request = Request(
        "GET",
        f"/{machine}/metadata/identity/oauth2/token",
        {"api-version": "2018-02-01", "resource": "https://vault.azure.net"},
        {"metadata": "true"},
    )
    return (await trial.world.client("sydney.host", request, timeout_s=5)).status


async def create(trial: Trial) -> int:
    world = trial.world
    path = IDENTITY.format(world.spec.subscription_id)
    headers = {"authorization": f"Bearer {await user_token(world)}"}
    request = Request("PUT", path, {"api-version": "2023-01-31"}, headers, {"location": "australiaeast"})
    return (await world.client("sydney.management", request, timeout_s=5)).status


def test_a_read_only_store_serves_reads_and_refuses_writes() -> None:
    """New machines get tokens of identities that exist; an identity can be created before and after, and not meanwhile."""

    async def story(trial: Trial) -> None:
        fault = StoreReadOnly(region="sydney")
        await fault.apply(trial.world, "f")
        assert await token_of(trial, "scaleout_1") == 200
        assert await create(trial) == 500
        await fault.revert(trial.world, "f")
        assert await create(trial) == 201

    on_stack(story)


def test_a_cold_start_drops_what_hosts_and_token_nodes_have() -> None:
    """What was cached is asked for anew, and the caches are as full as before after one round."""

    async def story(trial: Trial) -> None:
        for number in (1, 2, 3):
            assert await token_of(trial, f"web-{number}") == 200
        assert (await node_state(trial.world, "sydney.host"))["cached"] == 3
        await ColdStart(node="sydney").apply(trial.world, "f")
        cached = [(await node_state(trial.world, node))["cached"] for node in ("sydney.host", "sydney.token.z1")]
        assert cached == [0, 0]
        assert await token_of(trial, "web-1") == 200
        assert (await node_state(trial.world, "sydney.host"))["cached"] == 1

    on_stack(story)


def test_a_cold_start_of_empty_caches_changes_nothing_and_says_so() -> None:
    """Such a step must not count as one that was survived."""

    async def story(trial: Trial) -> None:
        fault, world = ColdStart(node="sydney.host"), trial.world
        readings = {"control:sydney.host": await node_state(world, "sydney.host")}
        assert fault.unchanged(world.spec, readings)
        await token_of(trial, "web-1")
        assert not fault.unchanged(world.spec, {"control:sydney.host": await node_state(world, "sydney.host")})

    on_stack(story)


@pytest.mark.parametrize(
    ("fault", "params", "words"),
    [
        (Capacity, {"node": "sydney.token"}, "changes nothing"),
        (Capacity, {"node": "sydny.token", "at_once": 1}, "no node"),
        (ColdStart, {"node": "sydney.store"}, "caches nothing"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(fault: Any, params: dict[str, Any], words: str) -> None:
    """No limit at all, a node that is none, a node without a cache."""
    with pytest.raises(UsageError, match=words):
        fault(**params).carriers(build_stack(seed=1))
