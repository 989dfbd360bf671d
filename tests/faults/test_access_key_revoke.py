"""access-key-revoke: regions refuse keys once they hear of it, a fault gives back what no other takes, sessions live on."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.faults.access_key_revoke import AccessKeyRevoke
from brownout.faults.region_kill import RegionKill
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.fault import Fault, control_page
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.core.messages import Request
from support.fault_cases import Trial, on_stack

TOKEN, VAULT = "melbourne.token.z1", "melbourne.vault"
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)


def revoke(**params: Any) -> Fault:
    return AccessKeyRevoke.model_validate(params)


async def pause(trial: Trial, seconds: float = 3.0) -> None:
    await trial.world.sleep_until(trial.world.now() + seconds)


async def key_of(trial: Trial, user: str) -> Credentials:
    """A user's access key, after all regions know it."""
    raw = await control_page(trial.world, "sydney.directory", "/admin/aws/credentials", {"user": user})
    await pause(trial)
    return Credentials(raw["access_key_id"], raw["secret_access_key"])


async def status(trial: Trial, key: Credentials, node: str = TOKEN, form: bytes = b"Action=GetCallerIdentity") -> int:
    """The status of GetCallerIdentity, or of another call of STS, at a token node."""
    plain = Request.raw("POST", "/", FORM, form + b"&Version=2011-06-15")
    region = "ap-southeast-4" if node.startswith("melbourne") else "ap-southeast-2"
    signed = sign(plain, key, service="sts", region=region, now_s=trial.world.now(), host="h")
    return (await trial.world.client(node, signed, timeout_s=5)).status


def test_keys_are_refused_once_regions_know() -> None:
    """The user's key is refused in every region while it is revoked, another user's is not, and it is good again after."""

    async def story(trial: Trial) -> list[Any]:
        caller, admin = await key_of(trial, "caller"), await key_of(trial, "admin")
        fault, seen = revoke(user="caller"), []
        seen.append((await fault.observe(trial.world)).state)
        await fault.apply(trial.world, "f-1")
        await pause(trial)
        seen.append((await fault.observe(trial.world)).state)
        seen += [await status(trial, key, node) for key in (caller, admin) for node in (TOKEN, "sydney.token.z2")]
        await fault.revert(trial.world, "f-1")
        await pause(trial)
        return [*seen, (await fault.observe(trial.world)).state, await status(trial, caller)]

    assert on_stack(story, iam_publish_interval_s=1.0) == ["absent", "bitten", 403, 403, 200, 200, "absent", 200]


def test_a_region_that_hears_nothing_takes_the_key_on() -> None:
    """Until the region is told, the key works there, and the observation is in doubt."""

    async def story(trial: Trial) -> tuple[int, str, str]:
        key, fault = await key_of(trial, "caller"), revoke(user="caller")
        cut = {"regions": ["melbourne"]}
        await hold(trial, "cut", "pause-iam-replication", cut)
        await fault.apply(trial.world, "f-1")
        await pause(trial)
        seen = await fault.observe(trial.world)
        return await status(trial, key), seen.state, seen.evidence

    code, state, evidence = on_stack(story, iam_publish_interval_s=1.0)
    assert (code, state) == (200, "unclear")
    assert evidence.startswith("ordered, and not heard everywhere")


async def hold(trial: Trial, fault_id: str, switch: str, value: dict[str, Any]) -> None:
    body = {"switch": switch, "value": value}
    answer = await trial.world.control("sydney.directory", Request("PUT", f"/admin/holds/{fault_id}", body=body))
    assert answer.ok, answer


def test_one_fault_gives_back_only_what_no_other_takes() -> None:
    """A user's keys stay revoked while one of two faults is there, in either order; one key is told from the others."""

    async def story(trial: Trial) -> list[int]:
        key, seen = await key_of(trial, "caller"), []
        faults = {"f-1": revoke(user="caller"), "f-2": revoke(access_key_id=key.access_key_id)}
        for order in (("f-1", "f-2"), ("f-2", "f-1")):
            for fault_id, fault in faults.items():
                await fault.apply(trial.world, fault_id)
            for fault_id in order:
                await faults[fault_id].revert(trial.world, fault_id)
                await pause(trial)
                seen.append(await status(trial, key))
        return seen

    assert on_stack(story, iam_publish_interval_s=1.0) == [403, 200, 403, 200]


def test_sessions_outlive_the_key_that_made_them() -> None:
    """What was issued before is good until its end; the key issues nothing new."""

    async def story(trial: Trial) -> tuple[int, int]:
        key = await key_of(trial, "caller")
        form = b"Action=GetSessionToken"
        plain = Request.raw("POST", "/", FORM, form + b"&Version=2011-06-15")
        signed = sign(plain, key, service="sts", region="ap-southeast-4", now_s=trial.world.now(), host="h")
        text = (await trial.world.client(TOKEN, signed, timeout_s=5)).payload.decode()
        session = Credentials(*(element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")))
        await revoke(user="caller").apply(trial.world, "f-1")
        await pause(trial)
        return await status(trial, session), await status(trial, key, form=form)

    assert on_stack(story, iam_publish_interval_s=1.0) == (200, 403)


def element(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]


def test_a_revocation_outlives_the_directory_and_a_reset() -> None:
    """A directory that is killed comes back with it; a reset of the account does not undo a fault."""

    async def story(trial: Trial) -> list[int]:
        key, kill = await key_of(trial, "caller"), RegionKill(region="sydney")
        await revoke(user="caller").apply(trial.world, "f-1")
        await kill.apply(trial.world, "k")
        await kill.revert(trial.world, "k")
        await pause(trial, 5)
        seen = [await status(trial, key)]
        assert (await trial.world.control("sydney.directory", Request("POST", "/admin/aws/reset"))).ok
        await pause(trial)
        seen.append(await status(trial, key))
        await revoke(user="caller").revert(trial.world, "f-1")
        await pause(trial)
        return [*seen, await status(trial, key)]

    assert on_stack(story, iam_publish_interval_s=1.0) == [403, 403, 200]


def test_the_keys_own_status_stays() -> None:
    """IAM shows the key as active, and a region knows both its status and that it was taken away."""

    async def story(trial: Trial) -> Any:
        await revoke(user="Caller").apply(trial.world, "f-1")
        await pause(trial)
        return (await control_page(trial.world, VAULT, "/admin/aws/access-keys", {"user": "caller"}))["keys"]

    (key,) = on_stack(story, iam_publish_interval_s=1.0)
    assert {name: key[name] for name in ("user", "status", "revoked")} == {
        "user": "caller",
        "status": "Active",
        "revoked": True,
    }


@pytest.mark.parametrize("params", [{"user": "nobody"}, {"access_key_id": "AKIANOSUCHKEY0000000"}])
def test_what_does_not_exist_cannot_be_revoked(params: dict[str, str]) -> None:
    """The order fails, and nothing is held."""

    async def story(trial: Trial) -> None:
        await revoke(**params).apply(trial.world, "f-1")

    with pytest.raises(WorldError, match=r"no (user 'nobody'|access key 'AKIANOSUCHKEY)"):
        on_stack(story, iam_publish_interval_s=1.0)


def test_parameters_are_checked_before_anything_is_touched() -> None:
    """A user or a key, and a stack that has keys."""
    for params in ({}, {"user": "caller", "access_key_id": "AKIANOSUCHKEY0000000"}):
        with pytest.raises(UsageError, match="a user or an access_key_id"):
            revoke(**params).carriers(build_stack(seed=1, vendors=("aws",)))
    with pytest.raises(UsageError, match="access-key-revoke is about aws's half of a stack"):
        revoke(user="caller").carriers(build_stack(seed=1, vendors=("azure",)))
