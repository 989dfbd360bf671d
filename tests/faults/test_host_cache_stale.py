"""host-cache-stale: what is changed of a machine's identities does not arrive on its host, until it is healed or restarted."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.faults.host_cache_stale import HostCacheStale
from brownout.faults.identity_attach import IdentityAttach
from brownout.faults.identity_detach import IdentityDetach
from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.fault_cases import Trial, on_stack

STALE = HostCacheStale(region="sydney", machines=("batch", "scaleout"))


async def imds(trial: Trial, machine: str, identity: str) -> int:
    """The status that a program on the machine gets which names a user-assigned identity."""
    batch = next(one for one in trial.world.spec.machines if one.name == "batch")
    group = batch.resource_id.partition("/providers/")[0]
    named = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}"
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net", "msi_res_id": named}
    request = Request("GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": "true"})
    return (await trial.world.client("sydney.host", request, timeout_s=5.0)).status


@pytest.mark.parametrize(("machines", "machine"), [("batch", "batch"), ("scaleout", "scaleout_7")])
def test_an_identity_that_was_attached_is_refused_until_it_heals(machines: str, machine: str) -> None:
    """It is assigned, and the host says that it is not; healed, the host goes by what came meanwhile."""

    async def story(trial: Trial) -> None:
        applied = await trial.life.inject("stale", STALE, patience_s=0)
        assert applied.state == "applied", "nothing has changed yet, so nothing is proven"
        await IdentityAttach(region="sydney", machines=(machines,), identity="addon-id").apply(trial.world, "a")
        assert await imds(trial, machine, "addon-id") == 400
        assert (await STALE.observe(trial.world)).state == "bitten"
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert await imds(trial, machine, "addon-id") == 200

    on_stack(story)


def test_an_identity_that_was_taken_off_is_still_asked_for() -> None:
    """The host answers from what it has, where one that knows refuses at once."""

    async def story(trial: Trial) -> None:
        assert await imds(trial, "batch", "reports-id") == 200
        await STALE.apply(trial.world, "f")
        await IdentityDetach(region="sydney", machines=("batch",), identity="reports-id").apply(trial.world, "d")
        assert await imds(trial, "batch", "reports-id") == 200
        await STALE.revert(trial.world, "f")
        assert await imds(trial, "batch", "reports-id") == 400

    on_stack(story)


def test_other_machines_of_the_host_are_well() -> None:
    """Only those that are named are kept as they were."""

    async def story(trial: Trial) -> None:
        await STALE.apply(trial.world, "f")
        await IdentityAttach(region="sydney", machines=("web",), identity="addon-id").apply(trial.world, "a")
        assert await imds(trial, "web-1", "addon-id") == 200
        assert (await STALE.observe(trial.world)).state == "unclear"

    on_stack(story)


def test_a_restart_of_the_host_takes_up_what_has_come() -> None:
    """As in the field. What comes afterwards waits again, for the fault is still there."""

    async def story(trial: Trial) -> None:
        await STALE.apply(trial.world, "f")
        await IdentityAttach(region="sydney", machines=("batch",), identity="addon-id").apply(trial.world, "a")
        host = Carrier("node", "sydney.host")
        await trial.world.hold(host, "kill", NodeEffect("down"))
        await trial.world.release(host, "kill")
        assert await imds(trial, "batch", "addon-id") == 200
        await IdentityAttach(region="sydney", machines=("batch",), identity="late-id").apply(trial.world, "b")
        assert await imds(trial, "batch", "late-id") == 400

    on_stack(story)


def test_two_holds_are_a_set() -> None:
    """What both concern waits for the last of them, what one concerns for that one."""

    async def story(trial: Trial) -> None:
        await STALE.apply(trial.world, "a")
        await HostCacheStale(region="sydney", machines=("batch",)).apply(trial.world, "b")
        change = IdentityAttach(region="sydney", machines=("batch", "scaleout"), identity="addon-id")
        await change.apply(trial.world, "c")
        await STALE.revert(trial.world, "a")
        assert [await imds(trial, machine, "addon-id") for machine in ("batch", "scaleout_7")] == [400, 200]
        await HostCacheStale(region="sydney", machines=("batch",)).revert(trial.world, "b")
        assert await imds(trial, "batch", "addon-id") == 200

    on_stack(story)


@pytest.mark.parametrize("value", [{}, {"machines": []}, {"machines": "web-1"}])
def test_the_host_refuses_a_switch_that_makes_no_sense(value: dict[str, Any]) -> None:
    """Nothing is held then."""

    async def story(trial: Trial) -> None:
        throw = {"switch": "keep-machines", "value": value}
        answer = await trial.world.control("sydney.host", Request("PUT", "/admin/holds/f", body=throw))
        assert answer.status == 400

    on_stack(story)
