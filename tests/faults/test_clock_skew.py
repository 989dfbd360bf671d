"""clock-skew: which requests a wrong clock breaks, skews that overlap, and a skew that outlives a restart."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from pydantic import ValidationError

from brownout.faults.clock_skew import ClockSkew
from brownout.faults.node_kill import NodeKill
from brownout.harness.errors import UsageError
from brownout.harness.fault import Fault, node_state
from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sealing import newest_key
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.core.messages import Request, Response
from support.aws_directories import AwsStack, on_aws_stack
from support.fault_cases import Trial, on_stack
from support.identity_stacks import HOUR_S, Stack
from support.identity_stacks import on_stack as on_identity_stack

NODE = "melbourne.vault"
PUBLISHED_S = 60.0  # between two publications of the account, in stories of hours


def skew(by: str, direction: str = "ahead", node: str = NODE) -> Fault:
    return ClockSkew.model_validate({"node": node, "by": by, "direction": direction})


async def off_s(trial: Trial, node: str = NODE) -> float:
    return float((await node_state(trial.world, node))["now_s"]) - trial.world.now()


@pytest.mark.parametrize(("by", "direction", "status"), [("4m", "ahead", 200), ("7m", "ahead", 401), ("7m", "behind", 200)])
def test_a_vault_with_a_wrong_clock_judges_tokens_by_it(by: str, direction: str, status: int) -> None:
    """A token near its end is refused by a clock that is further ahead than the skew which verifiers allow."""

    async def story(stack: Stack) -> int:
        token = await stack.token("web-1")
        await stack.wait(24 * HOUR_S - 1)
        await skew(by, direction, "sydney.vault").apply(stack.world, "f")
        return (await stack.secret(token)).status

    assert on_identity_stack(story, publish_interval_s=HOUR_S) == status


def test_a_region_is_all_of_its_nodes() -> None:
    """Each node of it has the wrong time, no other node has."""

    async def story(trial: Trial) -> dict[str, float]:
        await skew("90s", "behind", "sydney").apply(trial.world, "f")
        return {node: await off_s(trial, node) for node in trial.world.spec.nodes()}

    found = on_stack(story)
    assert {node for node, by_s in found.items() if by_s == pytest.approx(-90)} == {
        node for node in found if node.startswith("sydney.")
    }
    assert {round(by_s) for node, by_s in found.items() if node.startswith("melbourne.")} == {0}


def test_skews_of_one_node_add_up() -> None:
    """Each is seen for itself, and reverting one leaves the other, in either order."""

    async def story(trial: Trial) -> list[Any]:
        first, second = skew("20m"), skew("5m", "behind")
        seen: list[Any] = []
        await first.apply(trial.world, "f-1")
        await second.apply(trial.world, "f-2")
        seen += [(await first.observe(trial.world)).state, (await second.observe(trial.world)).state, await off_s(trial)]
        await first.revert(trial.world, "f-1")
        seen += [(await first.observe(trial.world)).state, (await second.observe(trial.world)).state, await off_s(trial)]
        await second.revert(trial.world, "f-2")
        return [*seen, await off_s(trial)]

    first, second, both_s, gone, alone, one_s, none_s = on_stack(story)
    assert (first, second, gone, alone) == ("bitten", "bitten", "absent", "bitten")
    assert (both_s, one_s, none_s) == (pytest.approx(900), pytest.approx(-300), pytest.approx(0))


def test_a_skew_outlives_its_node() -> None:
    """A node that is killed comes back with the clock that its holds say."""

    async def story(trial: Trial) -> tuple[str, float]:
        fault, kill = skew("20m"), NodeKill.model_validate({"node": NODE})
        await fault.apply(trial.world, "f")
        await kill.apply(trial.world, "k")
        await kill.revert(trial.world, "k")
        return (await fault.observe(trial.world)).state, await off_s(trial)

    assert on_stack(story) == ("bitten", pytest.approx(1200))


def test_a_clock_that_is_off_for_another_reason_is_unclear() -> None:
    """What the node's own holds do not explain is neither this fault nor its absence."""

    async def story(trial: Trial) -> tuple[str, str]:
        await skew("1m", node="sydney.vault").apply(trial.world, "f")
        told = await node_state(trial.world, "sydney.vault")
        answer = Response(200, {**told, "holds": {}})
        with mock.patch.object(trial.world, "control", mock.AsyncMock(return_value=answer)):
            seen = await skew("20m", node="sydney.vault").observe(trial.world)
        return seen.state, seen.evidence

    state, evidence = on_stack(story)
    assert state == "unclear"
    assert "+60" in evidence
    assert "holds say +0 s" in evidence


@pytest.mark.parametrize(
    ("by", "direction", "told"),
    [
        ("14m", "ahead", ""),
        ("16m", "ahead", "Signature expired: "),
        ("16m", "behind", "Signature not yet current: "),
    ],
)
def test_a_token_node_with_a_wrong_clock_refuses_good_signatures(by: str, direction: str, told: str) -> None:
    """Beyond the 15 minutes that STS allows, it refuses what its neighbour takes, until its clock is right again."""

    async def story(stack: AwsStack) -> tuple[int, str, int, int]:
        found = (await stack.control("GET", "/credentials")).body or {}
        key = Credentials(found["access_key_id"], found["secret_access_key"])
        await stack.wait(3)
        fault = skew(by, direction, "sydney.token.z1")
        await fault.apply(stack.world, "f")
        status, text = await identity_call(stack, key, "sydney.token.z1")
        neighbour, _ = await identity_call(stack, key, "sydney.token.z2")
        await fault.revert(stack.world, "f")
        return status, text, neighbour, (await identity_call(stack, key, "sydney.token.z1"))[0]

    status, text, *others = on_aws_stack(story)
    assert status == (403 if told else 200)
    assert told in text
    assert others == [200, 200]


async def identity_call(stack: AwsStack, key: Credentials, node: str) -> tuple[int, str]:
    """Status and text of GetCallerIdentity at that node, signed by the stack's clock."""
    lines = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
    plain = Request.raw("POST", "/", lines, b"Action=GetCallerIdentity&Version=2011-06-15")
    signed = sign(plain, key, service="sts", region="ap-southeast-2", now_s=stack.world.now(), host="h")
    response = await stack.world.client(node, signed, timeout_s=5)
    return response.status, response.payload.decode()


@pytest.mark.parametrize(("by", "direction"), [("2d", "ahead"), ("9d", "ahead"), ("9d", "behind")])
def test_regions_can_seal_sessions_again_after_the_control_planes_clock_was_wrong(by: str, direction: str) -> None:
    """Whatever keys it made and took away meanwhile, every region soon has one that is valid now."""

    async def story(stack: AwsStack) -> list[bool]:
        fault = skew(by, direction, "sydney.directory")
        await fault.apply(stack.world, "f")
        await stack.wait(HOUR_S)
        await fault.revert(stack.world, "f")
        await stack.wait(2 * PUBLISHED_S)
        nodes = ("sydney.token.z1", "melbourne.token.z3")
        accounts = [stack.node(name).annexes["aws"].index.account for name in nodes]  # type: ignore[attr-defined]  # a RegionalAnnex
        return [newest_key(known.sealing_keys.values(), stack.world.now()) is not None for known in accounts]

    assert on_aws_stack(story, iam_publish_interval_s=PUBLISHED_S) == [True, True]


@pytest.mark.parametrize("value", [{}, {"ahead_s": "soon"}, {"ahead_s": None}, {"ahead_s": "nan"}, {"ahead_s": "inf"}])
def test_a_skew_is_a_number_of_seconds(value: dict[str, Any]) -> None:
    """Anything else is a bad value, and leaves the clock as it was."""

    async def story(stack: Stack) -> tuple[int, float, Any]:
        answer = await stack.try_hold("sydney.vault", "f", "skew", value)
        state = await stack.state("sydney.vault")
        return answer.status, state["now_s"] - stack.world.now(), state["holds"]

    assert on_identity_stack(story) == (400, pytest.approx(0), {})


def test_names_and_times_are_checked() -> None:
    """A node that does not exist, no time at all, a direction that is none."""
    with pytest.raises(UsageError, match="no node 'melborne'"):
        skew("1m", node="melborne").carriers(build_stack(seed=1))
    for wrong in ({"by": "0s"}, {"by": "-5m"}, {"by": "5m", "direction": "sideways"}):
        with pytest.raises(ValidationError):
            ClockSkew.model_validate({"node": NODE, **wrong})


def test_it_holds_the_control_planes_of_its_nodes() -> None:
    """One carrier for each node of the name."""
    spec = build_stack(seed=1)
    zones = ("sydney.token.z1", "sydney.token.z2", "sydney.token.z3")
    assert skew("1m", node="sydney.token").carriers(spec) == tuple(Carrier("control", zone) for zone in zones)
    assert skew("90s", "behind").describe() == "the clock of melbourne.vault is 90 s behind"
