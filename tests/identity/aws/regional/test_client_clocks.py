"""Clients with the machine's clock on a stack whose time is another: `real_client_clocks`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.core.messages import Request
from support.aws_directories import AwsStack, on_aws_stack
from support.identity_stacks import EPOCH_S

RATE = 60.0
MACHINE_S = datetime(2026, 11, 29, 23, 59, 30, tzinfo=UTC).timestamp()  # when the stack's clock shows its epoch
PORTS = "brownout.harness.worlds.simulation.node.SimulatedPorts.machine_time"
NODE, REGION = "melbourne.token.z1", "ap-southeast-4"


def machine_time(ports: Any, at_s: float) -> float:
    return MACHINE_S + (at_s - EPOCH_S) / RATE


def on_fast_stack(story: Callable[[AwsStack], Coroutine[Any, Any, Any]], **settings: Any) -> Any:
    """A stack whose clock is of another year than the machine's, and sixty times as fast."""
    with mock.patch(PORTS, machine_time):
        return on_aws_stack(story, iam_publish_interval_s=600.0, **settings)


async def answer(stack: AwsStack, key: Credentials, signed_s: float, form: str = "Action=GetCallerIdentity") -> tuple[int, str]:
    """Status and text of what STS answers to a request that was signed at that time."""
    lines = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
    plain = Request.raw("POST", "/", lines, f"{form}&Version=2011-06-15".encode())
    signed = sign(plain, key, service="sts", region=REGION, now_s=signed_s, host="h")
    response = await stack.world.client(NODE, signed, timeout_s=5)
    return response.status, response.payload.decode()


async def admin(stack: AwsStack) -> Credentials:
    found = (await stack.control("GET", "/credentials")).body or {}
    await stack.wait(3)
    return Credentials(found["access_key_id"], found["secret_access_key"])


def element(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]


def assume_role(stack: AwsStack) -> str:
    role = f"arn:aws:iam::{stack.iam.account.account_id}:role/app"
    return f"Action=AssumeRole&RoleArn={role}&RoleSessionName=job-7&DurationSeconds=3600"


@pytest.mark.parametrize(("setting", "statuses"), [(True, [200, 200, 403, 403]), (False, [403, 200, 403, 403])])
def test_a_signature_may_be_by_either_clock(setting: bool, statuses: list[int]) -> None:
    """By the machine's and by the stack's, and by none between; without the setting by the stack's only."""

    async def story(stack: AwsStack) -> list[int]:
        key = await admin(stack)
        now_s = stack.world.now()
        times = (machine_time(None, now_s), now_s, (now_s + MACHINE_S) / 2, MACHINE_S + 1000)
        return [(await answer(stack, key, at_s))[0] for at_s in times]

    assert on_fast_stack(story, real_client_clocks=setting) == statuses


def test_keys_of_the_machines_days_are_there_all_night() -> None:
    """A day of the stack is 24 minutes of the machine, over a midnight of it, and regions have the key of each of its days."""

    async def story(stack: AwsStack) -> list[int]:
        key, seen = await admin(stack), []
        for _ in range(24):
            await stack.wait(3600)
            seen.append((await answer(stack, key, machine_time(None, stack.world.now())))[0])
        return seen

    assert on_fast_stack(story, real_client_clocks=True) == [200] * 24


def test_the_end_of_credentials_is_by_the_callers_clock() -> None:
    """An hour of the stack is a minute of the machine: each caller is told the same moment by its own clock, and it is true."""

    async def story(stack: AwsStack) -> tuple[float, float, list[int]]:
        key, form = await admin(stack), assume_role(stack)
        now_s = stack.world.now()
        by_machine = (await answer(stack, key, machine_time(None, now_s), form))[1]
        by_stack = (await answer(stack, key, now_s, form))[1]
        made = Credentials(*(element(by_machine, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")))
        seen = []
        for wait_s in (3590, 20):
            await stack.wait(wait_s)
            seen.append((await answer(stack, made, machine_time(None, stack.world.now())))[0])
        ends = [datetime.fromisoformat(element(text, "Expiration")).timestamp() for text in (by_machine, by_stack)]
        return ends[0] - machine_time(None, now_s), ends[1] - now_s, seen

    machine_s, stack_s, seen = on_fast_stack(story, real_client_clocks=True)
    assert (machine_s, stack_s) == (pytest.approx(60, abs=1.5), pytest.approx(3600, abs=1.5))
    assert seen == [200, 403]
