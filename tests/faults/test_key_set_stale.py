"""key-set-stale: who keeps an old key set refuses what a newer key signed, there and only there, until it is healed."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.faults.key_set_stale import KeySetStale
from brownout.faults.signing_key_roll import SigningKeyRoll
from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.fault_cases import Trial, on_stack

REFRESH_S = 600.0
CACHING = {"verifier_refresh_s": REFRESH_S, "verifier_refetches": True}
STALE = KeySetStale(region="sydney")


async def secret(trial: Trial, token: str, region: str = "sydney") -> int:
    """The status that an application gets which shows this token to the region's Key Vault."""
    request = Request("GET", "/secrets/sample", {"api-version": "7.6"}, {"authorization": f"Bearer {token}"})
    return (await trial.world.client(f"{region}.vault", request, timeout_s=5.0)).status


async def token(trial: Trial, machine: str) -> str:
    """A token that no cache had: each machine asks once."""
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    request = Request("GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": "true"})
    answer = await trial.world.client("sydney.host", request, timeout_s=5.0)
    return str((answer.body or {})["access_token"])


async def wait(trial: Trial, duration_s: float) -> None:
    await trial.world.sleep_until(trial.world.now() + duration_s)


@pytest.mark.parametrize("settings", [{}, CACHING], ids=["replica", "cache"])
def test_tokens_of_a_newer_key_are_refused_until_it_heals(settings: dict[str, Any]) -> None:
    """Past its refresh, and though it would fetch for an unknown key; old tokens are good, and so is the other region."""

    async def story(trial: Trial) -> None:
        old = await token(trial, "web-1")
        assert await secret(trial, old) == 200
        applied = await trial.life.inject("stale", STALE, patience_s=0)
        assert applied.state == "applied", "no key is newer yet, so nothing is proven"
        rolled = await trial.life.inject("roll", SigningKeyRoll())
        new = await token(trial, "web-2")
        await wait(trial, 3 * REFRESH_S)
        assert [await secret(trial, one) for one in (old, new)] == [200, 401]
        assert await secret(trial, new, "melbourne") == 200
        assert (await STALE.observe(trial.world)).state == "bitten"
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert [await secret(trial, one) for one in (old, new)] == [200, 200]
        assert (await trial.life.revert(rolled.fault_id)).state == "healed"

    on_stack(story, **settings)


def test_without_the_fault_a_newer_key_harms_nobody() -> None:
    """The control: the same roll, and every token is let in."""

    async def story(trial: Trial) -> None:
        old = await token(trial, "web-1")
        await trial.life.inject("roll", SigningKeyRoll())
        assert [await secret(trial, one) for one in (old, await token(trial, "web-2"))] == [200, 200]
        assert (await STALE.observe(trial.world)).state == "absent"

    on_stack(story, **CACHING)


def test_a_restart_does_not_help() -> None:
    """What is kept is on the verifier's disk."""

    async def story(trial: Trial) -> None:
        await STALE.apply(trial.world, "f")
        await SigningKeyRoll().apply(trial.world, "r")
        vault = Carrier("node", "sydney.vault")
        await trial.world.hold(vault, "kill", NodeEffect("down"))
        await trial.world.release(vault, "kill")
        await wait(trial, 120)
        assert await secret(trial, await token(trial, "web-1")) == 401
        await STALE.revert(trial.world, "f")
        assert (await STALE.observe(trial.world)).state == "absent"

    on_stack(story)


def test_two_holds_are_a_set() -> None:
    """The older set is kept until the last of them is gone."""

    async def story(trial: Trial) -> None:
        await STALE.apply(trial.world, "a")
        await SigningKeyRoll().apply(trial.world, "r")
        await STALE.apply(trial.world, "b")
        new = await token(trial, "web-1")
        await STALE.revert(trial.world, "a")
        assert await secret(trial, new) == 401
        await STALE.revert(trial.world, "b")
        assert await secret(trial, new) == 200

    on_stack(story, **CACHING)


def test_a_set_that_is_withdrawn_elsewhere_is_trusted_on() -> None:
    """The other side of a stale set: what was taken out of the published one is let in."""

    async def story(trial: Trial) -> None:
        old = await token(trial, "web-1")
        await STALE.apply(trial.world, "f")
        withdraw = {"switch": "withdraw-signing-key", "value": {}}
        assert (await trial.world.control("sydney.directory", Request("PUT", "/admin/holds/w", body=withdraw))).ok
        assert await secret(trial, old) == 200
        assert await secret(trial, old, "melbourne") == 401

    on_stack(story)
