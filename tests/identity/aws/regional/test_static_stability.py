"""A region without its control plane: access keys for as long as its horizon of keys, new sessions for a day at least.

The region's only sources are what it was sent before, so each promise has its control: a horizon of one day, and no end.
"""

from __future__ import annotations

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import TOKEN, NodeName
from support.aws_directories import AwsStack, on_aws_stack

NODES = ("melbourne.token.z1", "sydney.token.z3")
REGIONS = {"melbourne": "ap-southeast-4", "sydney": "ap-southeast-2"}
HOUR_S, DAY_S = 3600.0, 86_400.0
QUIET = {"iam_publish_interval_s": HOUR_S}


async def cut_off(stack: AwsStack) -> Credentials:
    """An access key that all regions know, after which the control plane is gone, and all but the token nodes with it."""
    found = (await stack.control("GET", "/credentials")).body or {}
    await stack.wait(2 * HOUR_S)
    for name in stack.world.spec.nodes():
        if NodeName.parse(name).role != TOKEN:
            await stack.world.hold(Carrier("node", name), "gone", NodeEffect("down"))
    return Credentials(found["access_key_id"], found["secret_access_key"])


async def answer(stack: AwsStack, key: Credentials, node: str, form: str = "Action=GetCallerIdentity") -> tuple[int, str]:
    lines = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
    plain = Request.raw("POST", "/", lines, f"{form}&Version=2011-06-15".encode())
    region = REGIONS[node.partition(".")[0]]
    signed = sign(plain, key, service="sts", region=region, now_s=stack.world.now(), host="h")
    response = await stack.world.client(node, signed, timeout_s=5)
    return response.status, response.payload.decode()


@pytest.mark.parametrize(("horizon_days", "lasts_days"), [(400, 3), (1, 1), (0, 0)])
def test_access_keys_work_until_the_horizon_ends(horizon_days: int, lasts_days: int) -> None:
    """Every day of a cut, in both regions; with the keys of today alone they stop at the next midnight."""

    async def story(stack: AwsStack) -> list[list[int]]:
        key, days = await cut_off(stack), []
        for _ in range(4):
            days.append([(await answer(stack, key, node))[0] for node in NODES])
            await stack.wait(DAY_S)
        return days

    days = on_aws_stack(story, key_horizon_days=horizon_days, **QUIET)
    assert days == [[200, 200]] * (lasts_days + 1) + [[403, 403]] * (3 - lasts_days)


def test_new_sessions_are_issued_for_a_day_at_least() -> None:
    """Hour by hour for 24 hours a region issues sessions that the other one takes; some day it stops, and says why."""

    async def story(stack: AwsStack) -> tuple[list[tuple[int, int]], int, str]:
        role = f"arn:aws:iam::{stack.iam.account.account_id}:role/app"
        key, form, seen = await cut_off(stack), f"Action=AssumeRole&RoleArn={role}&RoleSessionName=job-7", []
        for _ in range(25):
            status, text = await answer(stack, key, NODES[0], form)
            parts = (element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
            seen.append((status, (await answer(stack, Credentials(*parts), NODES[1]))[0]))
            await stack.wait(HOUR_S)
        await stack.wait(2 * DAY_S)
        assert (await answer(stack, key, NODES[0]))[0] == 200, "access keys go on"
        return seen, *await answer(stack, key, NODES[0], form)

    hours, late_status, late = on_aws_stack(story, **QUIET)
    assert hours == [(200, 200)] * 25
    assert late_status == 503
    assert "<Code>ServiceUnavailable</Code>" in late


def element(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
