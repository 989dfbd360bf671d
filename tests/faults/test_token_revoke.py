"""token-revoke: Key Vault asks for newer tokens than those that it was shown, in a challenge, until it is healed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.faults.token_revoke import TokenRevoke
from brownout.harness.effects import NodeEffect
from brownout.harness.errors import UsageError
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request, Response
from support.fault_cases import Trial, on_stack

ALL = TokenRevoke(region="sydney")
UNCACHED = {"host_cache": False, "instance_cache": False}


async def secret(trial: Trial, token: str, region: str = "sydney") -> Response:
    """What an application gets that shows this token to the region's Key Vault."""
    request = Request("GET", "/secrets/sample", {"api-version": "7.6"}, {"authorization": f"Bearer {token}"})
    return await trial.world.client(f"{region}.vault", request, timeout_s=5.0)


async def token(trial: Trial, machine: str = "web-1") -> str:
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    request = Request("GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": "true"})
    answer = await trial.world.client("sydney.host", request, timeout_s=5.0)
    await trial.world.sleep_until(trial.world.now() + 2)  # tokens have whole seconds
    return str((answer.body or {})["access_token"])


def wanted(answer: Response) -> Mapping[str, Any]:
    """The claims that a challenge asks for."""
    text = answer.headers["www-authenticate"].partition('claims="')[2].rstrip('"')
    found: Mapping[str, Any] = json.loads(base64.b64decode(text))
    return found


def test_older_tokens_are_challenged_and_newer_ones_let_in() -> None:
    """In this region only; healed, the old one is good again."""

    async def story(trial: Trial) -> None:
        old = await token(trial)
        now_s = int(trial.world.now())
        applied = await trial.life.inject("revoke", ALL)
        assert applied.state == "bitten"
        refused = await secret(trial, old)
        assert refused.status == 401
        assert wanted(refused) == {"access_token": {"nbf": {"essential": True, "value": str(now_s)}}}
        assert 'error="insufficient_claims"' in refused.headers["www-authenticate"]
        assert (await secret(trial, old, "melbourne")).status == 200
        assert (await secret(trial, await token(trial))).status == 200
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert (await secret(trial, old)).status == 200

    on_stack(story, **UNCACHED)


def test_one_identitys_tokens_can_be_meant() -> None:
    """Those of another are let in however old they are; a name that the stack does not have is refused with one that it has."""

    async def story(trial: Trial) -> None:
        mine, theirs = await token(trial, "web-1"), await token(trial, "web-2")
        await TokenRevoke(region="sydney", identity="web-1-system").apply(trial.world, "f")
        assert [(await secret(trial, one)).status for one in (mine, theirs)] == [401, 200]
        with pytest.raises(UsageError, match="web-1-system"):
            TokenRevoke(region="sydney", identity="web-1-systen").value(trial.world.spec)

    on_stack(story)


def test_a_restart_does_not_help_and_the_newest_moment_counts() -> None:
    """What was revoked is on the vault's disk; of two orders the later asks for the newer token."""

    async def story(trial: Trial) -> None:
        await ALL.apply(trial.world, "a")
        between = await token(trial)
        assert (await secret(trial, between)).status == 200
        await ALL.apply(trial.world, "b")
        vault = Carrier("node", "sydney.vault")
        await trial.world.hold(vault, "kill", NodeEffect("down"))
        await trial.world.release(vault, "kill")
        await trial.world.sleep_until(trial.world.now() + 120)
        assert (await secret(trial, between)).status == 401
        await ALL.revert(trial.world, "b")
        assert (await secret(trial, between)).status == 200

    on_stack(story)
