"""iam-replication-pause and -slow: bite and heal are seen on the replicas themselves, in simulation and on real processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from brownout.faults.iam_replication_pause import IamReplicationPause
from brownout.faults.iam_replication_slow import IamReplicationSlow
from brownout.harness.errors import UsageError
from brownout.harness.fault import Observation
from brownout.identity.aws.auth.caller import Credentials
from support.aws_directories import DIRECTORY, AwsStack, on_aws_stack
from support.iam_account import allow
from support.iam_clients import iam_stack
from support.live_aws import LiveAws, live_aws
from support.simulated_aws import SimulatedAws

SLOW = {"nodes": ["melbourne.token.z2"], "delay": "30s"}


def test_slowing_is_seen_from_the_first_change_on() -> None:
    """Unclear without a change, bitten while it lags and also after it came late, absent once healed."""

    async def story(stack: AwsStack) -> list[Observation]:
        fault = IamReplicationSlow.model_validate(SLOW)
        await stack.wait(2)
        found = [await fault.observe(stack.world)]
        await fault.apply(stack.world, "f")
        await stack.wait(60)
        found.append(await fault.observe(stack.world))
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(2)
        found.append(await fault.observe(stack.world))
        await stack.wait(60)
        found.append(await fault.observe(stack.world))
        await stack.call("CreateUser", UserName="Eve")
        await fault.revert(stack.world, "f")
        found.append(await fault.observe(stack.world))
        await stack.wait(2)
        return [*found, await fault.observe(stack.world)]

    seen = on_aws_stack(story)
    assert [each.state for each in seen] == ["absent", "unclear", "bitten", "bitten", "unclear", "absent"]
    assert "nothing new came late yet" in seen[1].evidence
    assert "1 came late" in seen[3].evidence
    assert "catch up" in seen[4].evidence


@pytest.mark.parametrize("kind", [IamReplicationPause, IamReplicationSlow])
def test_what_no_region_is_sent_is_no_lag(kind: type[IamReplicationPause | IamReplicationSlow]) -> None:
    """The version grows with last uses, which replicas never get: nobody is behind by them, and a heal is seen."""

    async def story(stack: AwsStack) -> Observation:
        await stack.wait(2)
        node = stack.node(DIRECTORY)
        uses = {"uses": [{"subject": "AKIA", "at_s": 1.0, "region": "r", "service": "sts"}]}
        await node.handle(node.internal("POST", "/aws/last-used", uses))
        await stack.wait(2)
        more = {"delay": "1m"} if kind is IamReplicationSlow else {}
        return await kind.model_validate({"regions": ["melbourne"], **more}).observe(stack.world)

    assert on_aws_stack(story).state == "absent"


def test_a_node_without_an_account_is_refused() -> None:
    """Stores and hosts keep none."""

    async def story(stack: AwsStack) -> None:
        with pytest.raises(UsageError, match="keeps no account"):
            IamReplicationSlow.model_validate({**SLOW, "nodes": ["melbourne.store"]}).carriers(stack.world.spec)

    on_aws_stack(story)


def answers(stack: SimulatedAws, key: Credentials, role: str, node: str) -> str:
    sts = stack.client("sts", key, node)
    try:
        sts.assume_role(RoleArn=role, RoleSessionName="story")
    except sts.exceptions.ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "ok"


def test_clients_meet_old_and_new_answers_in_turn() -> None:
    """One of three token nodes is slowed: a permission that is taken away is gone at two of them, and at the third later."""
    with iam_stack() as stack:
        iam, role = stack.iam(), stack.iam().get_role(RoleName="app")["Role"]["Arn"]
        key, zones = stack.credentials("caller"), [f"melbourne.token.z{n}" for n in (1, 2, 3)]
        stack.sleep(2)
        stack.hold(DIRECTORY, "slow-iam-replication", nodes=["melbourne.token.z2"], delay_s=30.0)
        assert [answers(stack, key, role, node) for node in zones] == ["ok", "ok", "ok"]
        document = allow("sts:AssumeRole").replace("Allow", "Deny")
        iam.put_user_policy(UserName="caller", PolicyName="no", PolicyDocument=document)
        stack.sleep(20)
        assert [answers(stack, key, role, node) for node in zones] == ["AccessDenied", "ok", "AccessDenied"]
        stack.sleep(20)
        assert [answers(stack, key, role, node) for node in zones] == ["AccessDenied"] * 3


@pytest.mark.slow
def test_slowing_bites_and_heals_on_real_processes(tmp_path: Path) -> None:
    """A user that was just made is known to one node of the region only when the delay has passed; healed, at once."""
    with live_aws(tmp_path) as live:
        fault = IamReplicationSlow.model_validate({"nodes": ["melbourne.token.z2"], "delay": "6s"})
        live.runner.run(fault.apply(live.world, "f"))
        began_s = time.monotonic()
        knows(live, "slowed-1", "melbourne.token.z1")
        assert time.monotonic() - began_s < 5, "a node that is not slowed"
        assert live.runner.run(fault.observe(live.world)).state == "bitten"
        began_s = time.monotonic()
        knows(live, "slowed-2", "melbourne.token.z2")
        assert time.monotonic() - began_s > 5
        seen = live.runner.run(fault.observe(live.world))
        assert seen.state == "bitten"
        assert "came late" in seen.evidence
        live.runner.run(fault.revert(live.world, "f"))
        knows(live, "quick", "melbourne.token.z2")
        assert live.runner.run(fault.observe(live.world)).state == "absent"


def knows(live: LiveAws, user: str, node: str) -> None:
    """Makes a user with a key, and returns once that node lets the user in."""
    iam = live.client("iam", "sydney.management")
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key = {"Credentials": {**made, "SessionToken": ""}}
    sts, ends_s = live.client("sts", node, keys=key), time.monotonic() + 30
    while True:
        try:
            sts.get_caller_identity()
        except sts.exceptions.ClientError as refused:
            if refused.response["Error"]["Code"] != "InvalidClientTokenId" or time.monotonic() > ends_s:
                raise
            time.sleep(0.2)
        else:
            return
