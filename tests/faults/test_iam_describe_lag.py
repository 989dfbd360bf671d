"""iam-describe-lag: the lag is seen also where other faults of IAM's control plane disturb the look at it."""

from __future__ import annotations

import pytest

from brownout.faults.iam_describe_lag import IamDescribeLag
from brownout.faults.iam_errors import IamErrors
from brownout.harness.fault import Observation
from support.aws_directories import AwsStack, on_aws_stack


@pytest.mark.parametrize(("share", "state"), [(0.02, "bitten"), (0.3, "bitten"), (1.0, "unclear")])
def test_the_lag_is_seen_through_calls_that_fail(share: float, state: str) -> None:
    """A call that fails describes nothing: the look is repeated, and is unclear where every call fails."""

    async def story(stack: AwsStack) -> list[Observation]:
        lag = IamDescribeLag.model_validate({"lag": "4m"})
        await lag.apply(stack.world, "lag")
        await stack.call("CreateUser", UserName="later")
        await IamErrors.model_validate({"share": share}).apply(stack.world, "errors")
        return [await lag.observe(stack.world) for _ in range(10)]

    assert {seen.state for seen in on_aws_stack(story)} == {state}


def test_a_lag_with_nothing_to_show_is_not_called_lost() -> None:
    """Once the newest change is older than the lag, what is described is up to date: the look is idle, and the hold stands."""

    async def story(stack: AwsStack) -> tuple[Observation, Observation]:
        lag = IamDescribeLag.model_validate({"lag": "1m"})
        await lag.apply(stack.world, "lag")
        await stack.call("CreateUser", UserName="later")
        showing = await lag.observe(stack.world)
        await stack.world.sleep_until(stack.world.now() + 120)
        return showing, await lag.observe(stack.world)

    showing, quiet = on_aws_stack(story)
    assert (showing.state, showing.idle) == ("bitten", False)
    assert (quiet.state, quiet.idle) == ("unclear", True)
