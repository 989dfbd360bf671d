"""A backlog of machines that come up at once."""

from __future__ import annotations

from brownout.faults.capacity import Capacity
from brownout.faults.node_kill import NodeKill
from brownout.faults.surge import Surge
from brownout.harness.fault import node_state
from support.fault_cases import Trial, on_stack


async def asked(trial: Trial) -> int:
    """How many machines of the backlog asked so far."""
    return int((await node_state(trial.world, "sydney.host"))["surge"]["asked"])


def test_a_surge_keeps_its_rate_however_slow_the_answers_are() -> None:
    """Five a second for a minute are three hundred, with token nodes that take ten seconds for each."""

    async def story(trial: Trial) -> int:
        await Capacity(node="sydney.token", work="10s").apply(trial.world, "slow")
        await Surge(region="sydney", per_s=5).apply(trial.world, "f")
        await trial.world.sleep_until(trial.world.now() + 60)
        return await asked(trial)

    assert abs(on_stack(story) - 300) <= 2


def test_a_surge_ends_with_its_hold_and_survives_the_host() -> None:
    """A host that was killed goes on with it when it is back; released, nothing more comes."""

    async def story(trial: Trial) -> None:
        world, surge = trial.world, Surge(region="sydney", per_s=5)
        await surge.apply(world, "f")
        kill = NodeKill(node="sydney.host")
        await kill.apply(world, "k")
        await kill.revert(world, "k")
        await world.sleep_until(world.now() + 10)
        assert abs(await asked(trial) - 50) <= 2
        await surge.revert(world, "f")
        assert "surge" not in await node_state(world, "sydney.host")
        await surge.apply(world, "g")  # a second one counts on, and the first has left nothing behind that asks too
        before = await asked(trial)
        await world.sleep_until(world.now() + 10)
        assert abs(await asked(trial) - before - 50) <= 2

    on_stack(story)
