"""Every fault on a simulated stack: it bites, what it says of itself is true, and its revert leaves the stack as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.faults.build_pin import BuildPin
from brownout.faults.build_rollout import BuildRollout
from brownout.faults.configure import Configure
from brownout.faults.failover_region import FailoverRegion
from brownout.faults.freeze import Freeze
from brownout.faults.imds_answer import ImdsAnswer
from brownout.faults.key_accept import KeyAccept
from brownout.faults.key_invalidate import KeyInvalidate
from brownout.faults.key_push import KeyPush
from brownout.faults.key_rollover import KeyRollover
from brownout.faults.key_switch import KeySwitch
from brownout.faults.link_refuse import LinkRefuse
from brownout.faults.link_stall import LinkStall
from brownout.faults.metadata_answer import MetadataAnswer
from brownout.faults.node_kill import NodeKill
from brownout.faults.node_pause import NodePause
from brownout.faults.region_kill import RegionKill
from brownout.faults.replication_pause import ReplicationPause
from brownout.harness.effects import SwitchThrow
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.fault import Fault, Observation, client_answer
from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request
from support.fault_cases import CASES, IDS, SITUATIONAL, Trial, on_stack


async def whole_state(trial: Trial) -> dict[str, Any]:
    """Holds of every carrier, and what every node says of itself apart from the time and counters.

    Taken after a round of publishing: a node that was killed knows nothing of its own until then.
    """
    world = trial.world
    await world.sleep_until(world.now() + 61)
    carriers = [Carrier("link", str(link)) for link in world.spec.links()]
    carriers += [Carrier("node", node) for node in world.spec.nodes()]
    found: dict[str, Any] = {str(carrier): (await world.read(carrier))["holds"] for carrier in carriers}
    moving = {
        "now_s",
        "version",
        "replica_version",
        "imds_requests",
        "requests",
        "cached",
        "account_version",
        "published",
        "unreported",
    }
    moving |= {"asked", "failed", "in_work", "queued", "refused", "admitted_share"}
    for node in world.spec.nodes():
        try:
            state = await world.read(Carrier("control", node))
        except WorldError:
            state = {"silent": True}
        state = {key: value for key, value in state.items() if key not in moving}
        if "published_keys" in state:  # since when is a node's own memory: a new life publishes the same keys anew
            state["published_keys"] = sorted(state["published_keys"])
        for part in ("aws", "azure", "capacity", "surge"):
            if part in state:
                state[part] = {key: value for key, value in state[part].items() if key not in moving}
        found[node] = state
    return found


@pytest.mark.parametrize(("kind", "params"), [*CASES, *SITUATIONAL])
def test_a_fault_leaves_the_stack_as_it_was(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """After the revert every carrier and every node is as before, and the heal was proven."""

    async def story(trial: Trial) -> None:
        before = await whole_state(trial)
        applied = await trial.life.inject("step", kind.model_validate(dict(params)), patience_s=1)
        assert await whole_state(trial) != before
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert await whole_state(trial) == before

    on_stack(story)


@pytest.mark.parametrize(("kind", "params"), CASES, ids=IDS)
def test_a_fault_is_seen_only_while_it_is_there(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """A look says absent before, bitten while it is held, and absent after."""

    async def story(trial: Trial) -> list[str]:
        fault = kind.model_validate(dict(params))
        states = [(await fault.observe(trial.world)).state]
        await fault.apply(trial.world, "f-1")
        await trial.world.sleep_until(trial.world.now() + 0.001)  # an order is obeyed at once, what it begins begins then
        states.append((await fault.observe(trial.world)).state)
        await fault.revert(trial.world, "f-1")
        states.append((await fault.observe(trial.world)).state)
        return states

    assert on_stack(story) == ["absent", "bitten", "absent"]


@pytest.mark.parametrize(("kind", "params"), [*CASES, *SITUATIONAL])
def test_verbs_may_run_twice(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """Applying twice is applying once; reverting twice, or what was never applied, changes nothing."""

    async def story(trial: Trial) -> None:
        fault = kind.model_validate(dict(params))
        before = await whole_state(trial)
        await fault.revert(trial.world, "f-1")
        await fault.apply(trial.world, "f-1")
        once = await whole_state(trial)
        await fault.apply(trial.world, "f-1")
        assert await whole_state(trial) == once
        await fault.revert(trial.world, "f-1")
        await fault.revert(trial.world, "f-1")
        assert await whole_state(trial) == before

    on_stack(story)


def look_during(*faults: Fault, **settings: Any) -> Observation:
    """What the last fault's look says with all of them applied, in order."""

    async def story(trial: Trial) -> Observation:
        for number, fault in enumerate(faults):
            await fault.apply(trial.world, f"f-{number}")
        return await faults[-1].observe(trial.world)

    return on_stack(story, **settings)


def test_a_rollout_that_changes_nothing_is_absent() -> None:
    """With every region pinned the deployer reports success and no node changes: absent, and the evidence says why."""
    seen = look_during(BuildRollout(build="2.0"), pins={"sydney": "1.0", "melbourne": "1.0"})
    assert seen.state == "absent"
    assert "0 of 4 nodes of sydney (pinned to 1.0)" in seen.evidence


def test_a_rollout_bites_where_it_may() -> None:
    """With one region pinned the other changes; that is a bite, and the pin is named."""
    pin = BuildPin(region="melbourne", build="1.0")
    seen = look_during(pin, BuildRollout(build="2.0"))
    assert seen.state == "bitten"
    assert "0 of 4 nodes of melbourne (pinned to 1.0)" in seen.evidence


def test_a_pin_on_the_build_that_runs_is_still_a_pin() -> None:
    """A pin is seen by the deployer's own word together with what the nodes run."""
    assert look_during(BuildPin(region="sydney", build="1.0")).state == "bitten"


def test_a_frozen_deployer_defends_itself() -> None:
    """Under a freeze a roll-out, a configuration change and a key switch end as defended, with the system's words."""

    async def story(trial: Trial) -> None:
        await trial.life.inject("freeze", Freeze())
        for fault in (
            BuildRollout(build="2.0"),
            Configure(set={"force_managed_key": True}),
            KeySwitch(region="sydney"),
        ):
            applied = await trial.life.inject("step", fault)
            assert (applied.state, applied.evidence) == ("defended", "all changes are frozen")
        assert {end.state for end in await trial.life.revert_all()} == {"healed"}

    on_stack(story)


def test_the_readiness_gate_defends() -> None:
    """A repaired key manager refuses the switch while nodes could not follow, and nothing changes."""

    async def story(trial: Trial) -> None:
        before = await whole_state(trial)
        applied = await trial.life.inject("switch", KeySwitch(region="sydney"))
        assert applied.state == "defended"
        assert "not ready" in applied.evidence
        assert await whole_state(trial) == before

    on_stack(story, readiness_gate=True)


@pytest.mark.parametrize(
    ("fault", "first", "second", "left"),
    [
        (KeySwitch(region="sydney"), "sydney.directory", "sydney.store", SwitchThrow("roll-key", {})),
        (Freeze(), "sydney.deployer", "sydney.directory", SwitchThrow("freeze", {})),
    ],
)
def test_a_half_done_act_is_undone_on_both_nodes(fault: Fault, first: str, second: str, left: SwitchThrow) -> None:
    """What one node did to another under the fault's id is released there too when the first has forgotten it."""

    async def story(trial: Trial) -> None:
        before = await whole_state(trial)
        applied = await trial.life.inject("step", fault)
        await trial.world.release(Carrier("control", first), applied.fault_id)
        await trial.world.hold(Carrier("control", second), applied.fault_id, left)
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert await whole_state(trial) == before

    on_stack(story)


def test_a_rollover_behind_the_managers_back_is_no_key_switch() -> None:
    """A store that rolled its key by itself does not look like the key manager's switch."""

    async def story(trial: Trial) -> str:
        await KeyRollover(region="sydney").apply(trial.world, "f-1")
        return (await KeySwitch(region="sydney").observe(trial.world)).state

    assert on_stack(story) == "unclear"


def test_accepting_a_key_bites_where_it_was_refused() -> None:
    """Accepting the old key after a roll-over makes it valid again; releasing the order ends that again."""

    async def story(trial: Trial) -> None:
        await trial.life.inject("switch", KeySwitch(region="sydney"))
        accepted = await trial.life.inject("accept", KeyAccept(region="sydney", key_id="manual"))
        assert accepted.state == "bitten"
        await trial.life.revert(accepted.fault_id)
        ring = await KeySwitch(region="sydney").observe(trial.world)
        assert "manual-sydney-1 refused" in ring.evidence

    on_stack(story)


@pytest.mark.parametrize("key_id", ["manual", "managed"])
def test_accepting_a_valid_key_proves_nothing(key_id: str) -> None:
    """Accepting a key that is valid anyway is not claimed as a bite."""

    async def story(trial: Trial) -> None:
        if key_id == "managed":
            await trial.life.inject("switch", KeySwitch(region="sydney"))
        applied = await trial.life.inject("accept", KeyAccept(region="sydney", key_id=key_id), patience_s=0)
        assert applied.state == "applied"
        assert "valid anyway" in applied.evidence

    on_stack(story)


def test_an_accepted_key_whose_rollover_ended_first_still_heals() -> None:
    """When the roll-over is taken away before the acceptance, both end healed, though the key stays valid."""

    async def story(trial: Trial) -> set[str]:
        rolled = await trial.life.inject("roll", KeyRollover(region="sydney"))
        accepted = await trial.life.inject("accept", KeyAccept(region="sydney", key_id="manual"))
        await trial.life.revert(rolled.fault_id)
        await trial.life.revert(accepted.fault_id)
        await trial.life.revert_all()
        return {fault.state for fault in trial.ledger.faults("s")}

    assert on_stack(story) == {"healed"}


async def with_managed_keys_unpublished(trial: Trial) -> None:
    """Sydney's key is switched while the directory reaches no reader in Melbourne."""
    cut = await trial.life.inject("cut", LinkRefuse(link="sydney.directory->melbourne"))
    await trial.life.inject("switch", KeySwitch(region="sydney"))
    await trial.life.revert(cut.fault_id)


@pytest.mark.parametrize(("build", "state"), [("2.0", "bitten"), ("1.0", "applied")])
def test_a_push_helps_only_builds_that_can_use_the_key(build: str, state: str) -> None:
    """Readers that missed a switch use the pushed key with build 2.0, and take it without effect with build 1.0."""

    async def story(trial: Trial) -> None:
        await with_managed_keys_unpublished(trial)
        pushed = await trial.life.inject("push", KeyPush(region="sydney"), patience_s=0)
        assert pushed.state == state
        await trial.life.revert(pushed.fault_id)
        assert {end.state for end in await trial.life.revert_all()} == {"healed"}
        assert {fault.state for fault in trial.ledger.faults("s")} == {"healed"}

    on_stack(story, builds={"sydney": build, "melbourne": build})


def test_a_push_to_nodes_that_have_the_key_proves_nothing() -> None:
    """When every reader signs with the managed key already, pushing it is no bite."""

    async def story(trial: Trial) -> str:
        await trial.life.inject("switch", KeySwitch(region="sydney"))
        return (await trial.life.inject("push", KeyPush(region="sydney"))).evidence

    assert "looked the same before" in on_stack(story, builds={"sydney": "2.0", "melbourne": "2.0"})


async def create_identity(trial: Trial) -> None:
    """Something new to replicate."""
    body = {"name": "new", "kind": "user", "object_id": "new", "resource_id": "/new", "home_region": "sydney"}
    await trial.world.control("sydney.directory", Request("PUT", "/principals/new", body=body))


def test_a_replication_pause_bites_when_there_is_something_to_replicate() -> None:
    """Without changes the look is unclear; after one the paused region lags; after the revert it catches up."""

    async def story(trial: Trial) -> None:
        applied = await trial.life.inject("pause", ReplicationPause(regions=("melbourne",)), patience_s=0)
        assert applied.state == "applied"
        assert "nothing new to replicate" in applied.evidence
        await create_identity(trial)
        await trial.world.sleep_until(trial.world.now() + 130)
        assert (await ReplicationPause(regions=("sydney",)).observe(trial.world)).state == "absent"
        assert (await trial.life.revert(applied.fault_id)).state == "healed"
        assert "bitten" in trial.told

    on_stack(story)


def test_a_lag_without_a_pause_is_no_bite() -> None:
    """Replicas that lag because the directory cannot reach them do not prove a pause."""

    async def story(trial: Trial) -> Observation:
        await LinkRefuse(link="sydney.directory->melbourne").apply(trial.world, "f-1")
        await create_identity(trial)
        await trial.world.sleep_until(trial.world.now() + 130)
        return await ReplicationPause(regions=("melbourne",)).observe(trial.world)

    seen = on_stack(story)
    assert seen.state == "unclear"
    assert "5 of 5" in seen.evidence


def test_a_broken_link_is_not_a_dead_node() -> None:
    """Behind broken links a dead node is dead, and one that answers beside them is neither down nor paused."""
    refuse = LinkRefuse(link="*->sydney.store")
    assert look_during(refuse, NodeKill(node="sydney.store")).state == "bitten"
    for link_fault, node_fault in (
        (refuse, NodeKill(node="sydney.store")),
        (LinkStall(link="*->sydney.store"), NodePause(node="sydney.store")),
    ):

        async def story(trial: Trial, link: Fault = link_fault, node: Fault = node_fault) -> Observation:
            await link.apply(trial.world, "f-1")
            return await node.observe(trial.world)

        seen = on_stack(story)
        assert seen.state == "absent"
        assert "beside its links" in seen.evidence


def test_a_dead_node_is_not_a_paused_one() -> None:
    """Down and paused are distinguished by how the link to the node fails."""

    async def story(trial: Trial) -> tuple[str, str]:
        await NodeKill(node="sydney.store").apply(trial.world, "f-1")
        paused = (await NodePause(node="sydney.store").observe(trial.world)).state
        return paused, (await NodeKill(node="sydney.store").observe(trial.world)).state

    assert on_stack(story) == ("absent", "bitten")


def test_some_of_many_is_unclear() -> None:
    """When only some of the links or nodes show the effect, the look does not claim it, and counts."""

    async def story(trial: Trial) -> Observation:
        await LinkRefuse(link="client->sydney.host").apply(trial.world, "f-1")
        return await LinkRefuse(link="client->sydney").observe(trial.world)

    seen = on_stack(story)
    assert seen.state == "unclear"
    assert "1 of 6" in seen.evidence


def test_counted_answers_are_not_used_up_by_looking() -> None:
    """After any number of looks a machine still gets as many of the answers as were ordered."""

    async def story(trial: Trial) -> list[int | None]:
        fault = ImdsAnswer(region="sydney", status=429, times=2)
        await fault.apply(trial.world, "f-1")
        for _ in range(5):
            assert (await fault.observe(trial.world)).state == "bitten"
        path, query = "/web-1/metadata/instance", {"api-version": "2021-02-01"}
        answers = [await client_answer(trial.world, "sydney.host", path, query) for _ in range(3)]
        return [answer and answer.status for answer in answers]

    assert on_stack(story) == [429, 429, 200]


@pytest.mark.parametrize("body", [{"access_token": "x"}, None])
def test_a_wrong_answer_of_status_200_bites_and_heals(body: Mapping[str, Any] | None) -> None:
    """A fault that answers 200 shows by its body, and is absent again when the machine gets its own data."""

    async def story(trial: Trial) -> list[str]:
        fault = ImdsAnswer(region="sydney", status=200, body=body)
        seen = [(await fault.observe(trial.world)).state]
        await fault.apply(trial.world, "f-1")
        seen.append((await fault.observe(trial.world)).state)
        other = ImdsAnswer(region="sydney", status=200, body={"access_token": "another"})
        seen.append((await other.observe(trial.world)).state)
        await fault.revert(trial.world, "f-1")
        return [*seen, (await fault.observe(trial.world)).state]

    assert on_stack(story) == ["absent", "bitten", "absent", "absent"]


def test_imds_behind_a_broken_link_is_unclear() -> None:
    """When the machine gets no answer at all, that is not the answer that was ordered."""

    async def story(trial: Trial) -> str:
        await LinkRefuse(link="client->sydney.host").apply(trial.world, "f-1")
        return (await ImdsAnswer(region="sydney", status=429).observe(trial.world)).state

    assert on_stack(story) == "unclear"


def test_overlapping_key_faults_come_apart_in_any_order() -> None:
    """A key that two faults end stays ended until both are gone."""

    async def story(trial: Trial) -> None:
        before = await whole_state(trial)
        rolled = await trial.life.inject("roll", KeyRollover(region="sydney"))
        ended = await trial.life.inject("end", KeyInvalidate(region="sydney", key_id="manual"), patience_s=0)
        await trial.life.revert(rolled.fault_id)
        assert (await KeyInvalidate(region="sydney", key_id="manual").observe(trial.world)).state == "bitten"
        await trial.life.revert(ended.fault_id)
        assert {end.state for end in await trial.life.revert_all()} <= {"healed"}
        assert {fault.state for fault in trial.ledger.faults("s")} == {"healed"}
        assert await whole_state(trial) == before

    on_stack(story)


def test_an_end_that_another_order_set_already_is_not_taken_for_ones_own() -> None:
    """A roll-over ends the key in a day, the order in an hour: without the order, that day is no sign of it."""

    async def story(trial: Trial) -> list[str]:
        ending = KeyInvalidate(region="sydney", key_id="manual", after="1h")
        await trial.life.inject("roll", KeyRollover(region="sydney", overlap="24h"))
        seen = [(await ending.observe(trial.world)).state]
        applied = await trial.life.inject("end", ending)
        seen.append((await ending.observe(trial.world)).state)
        seen.append((await trial.life.revert(applied.fault_id)).state)
        return [*seen, (await ending.observe(trial.world)).state]

    assert on_stack(story) == ["absent", "bitten", "healed", "absent"]


def test_a_store_that_looks_refuses_to_end_a_key_in_use() -> None:
    """`key_use_gate_s`: the order is defended, says why, and leaves no hold."""

    async def story(trial: Trial) -> tuple[str, str, Any]:
        applied = await trial.life.inject("end", KeyInvalidate(region="sydney", key_id="manual"))
        return applied.state, applied.evidence, (await trial.world.read(Carrier("control", "sydney.store")))["holds"]

    state, evidence, holds = on_stack(story, key_use_gate_s=600)
    assert (state, holds) == ("defended", {})
    assert "manual-sydney-1 may be in use" in evidence


def test_the_newest_failover_wins_and_leaves_the_older() -> None:
    """Two failovers of a region overlap; taking the second away leaves the first in place."""

    async def story(trial: Trial) -> None:
        failover = FailoverRegion(region="sydney", to="melbourne")
        await failover.apply(trial.world, "f-1")
        await failover.apply(trial.world, "f-2")
        await failover.revert(trial.world, "f-2")
        assert (await failover.observe(trial.world)).state == "bitten"

    on_stack(story)


@pytest.mark.parametrize("regions", [("virginia",), ("tokyo", "bahrain", "milan", "capetown")])
def test_faults_of_regions_hold_for_any_list_of_regions(regions: tuple[str, ...]) -> None:
    """A lost region takes its own nodes and no others; the home region also the control plane; paused replicas fall behind."""

    async def story(trial: Trial) -> None:
        for region in regions:
            fault = RegionKill(region=region)
            assert {node.partition(".")[0] for node in fault.nodes(trial.world.spec)} == {region}
            await fault.apply(trial.world, "f")
            assert (await fault.observe(trial.world)).state == "bitten"
            others = [f"client->{other}.vault" for other in regions if other != region]
            assert [(await trial.world.probe(link, timeout_ms=500)).outcome for link in others] == ["ok"] * len(others)
            await fault.revert(trial.world, "f")
            assert (await fault.observe(trial.world)).state == "absent"
        pause = ReplicationPause(regions=regions[-1:])
        await pause.apply(trial.world, "p")
        assert (await pause.in_force(trial.world)) is not None
        await pause.revert(trial.world, "p")

    on_stack(story, regions=regions)


def test_metadata_answers_need_machines_of_aws() -> None:
    """On a stack without AWS the fault is refused before anything is touched."""
    spec = build_stack(seed=1, vendors=("azure",))
    with pytest.raises(UsageError, match="metadata-answer is about aws's half of a stack"):
        MetadataAnswer(region="sydney", status=500).carriers(spec)


@pytest.mark.parametrize(("request_kind", "status"), [("token", 405), ("role", 200), ("credentials", 404), ("container", 400)])
def test_metadata_answers_that_look_like_usual_ones_are_seen(request_kind: str, status: int) -> None:
    """An answer whose status is the usual one of its request shows in the host's state, and is absent after the revert."""

    async def story(trial: Trial) -> list[str]:
        fault = MetadataAnswer.model_validate({"region": "sydney", "status": status, "request": request_kind})
        await fault.apply(trial.world, "f-1")
        seen = [(await fault.observe(trial.world)).state]
        await fault.revert(trial.world, "f-1")
        return [*seen, (await fault.observe(trial.world)).state]

    assert on_stack(story) == ["bitten", "absent"]


def test_metadata_answers_are_told_apart_by_what_they_say() -> None:
    """With a body or a text the fault is seen by it, and another one's answer is not taken for its own."""

    async def story(trial: Trial) -> list[str]:
        await MetadataAnswer(region="sydney", status=200, text="half").apply(trial.world, "f-1")
        wanted = (
            MetadataAnswer(region="sydney", status=200, text="half"),
            MetadataAnswer(region="sydney", status=200, text="whole"),
            MetadataAnswer(region="sydney", status=200, body={"Code": "Success"}),
        )
        return [(await fault.observe(trial.world)).state for fault in wanted]

    assert on_stack(story) == ["bitten", "absent", "absent"]
