"""The life cycle over a fake world: order, proof of bite and heal, refusals, failures, overlaps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brownout.harness.base.permission import require_permission
from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection import looks
from brownout.harness.injection.ledger import Fenced, Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.world import Carrier, World
from support.fake_world import Clumsy, FakeFault, FakeWorld, drive, make, refusal, unreachable
from support.lifecycle_bench import Bench, fake

NODE_A, NODE_B = "node:a", "node:b"


def test_a_whole_life(bench: Bench) -> None:
    """A fault is intended, applied, seen to bite, released and seen to heal, with a notice of each in that order."""
    life = bench.life()
    applied = drive(life.inject("cut", fake(NODE_A, NODE_B)))
    assert (applied.state, bench.states()) == ("bitten", ["bitten"])
    assert bench.world.held() == {NODE_A: {applied.fault_id}, NODE_B: {applied.fault_id}}
    assert drive(life.revert(applied.fault_id)).state == "healed"
    assert bench.world.held() == {}
    words = ["intended", "applied", "bitten", "reverting", "released", "healed"]
    assert bench.told == [f"{word} cut" for word in words]


def test_nothing_is_touched_before_the_intent(bench: Bench) -> None:
    """If the intent cannot be written, no carrier is held."""
    bench.ledger._database.execute("PRAGMA query_only=ON")
    with pytest.raises(Exception, match="cannot be used"):
        drive(bench.life().inject("cut", fake()))
    assert not any(call.startswith("hold") for call in bench.world.calls)


def test_the_baseline_is_recorded_with_the_intent(bench: Bench) -> None:
    """The row holds what each carrier was before, and what a look saw before."""
    drive(bench.life().inject("cut", fake()))
    baseline = bench.ledger.faults("s")[0].baseline
    assert baseline == {"carriers": {NODE_A: {"holds": {}}}, "looked": "absent", "evidence": "effects [False]"}


def test_a_baseline_that_cannot_be_read_prevents_the_fault(bench: Bench) -> None:
    """Without a baseline nothing is intended or touched."""
    bench.world.broken["read node:a"] = unreachable()
    with pytest.raises(WorldError):
        drive(bench.life().inject("cut", fake()))
    assert bench.ledger.faults("s") == ()


def test_no_effect_is_no_bite(bench: Bench) -> None:
    """A fault that is in place without a visible effect stays `applied`, after a bounded wait, and says what was seen."""
    bench.world.deaf.add(NODE_A)
    began_s = bench.world.now()
    applied = drive(bench.life().inject("cut", fake()))
    assert (applied.state, applied.bitten_s, applied.evidence) == ("applied", None, "effects [False]")
    assert 5 < bench.world.now() - began_s <= 8
    assert "absent cut" in bench.told


def test_without_patience_one_look_is_taken(bench: Bench) -> None:
    """A step that is not expected to bite does not hold the schedule up."""
    bench.world.deaf.add(NODE_A)
    began_s = bench.world.now()
    assert drive(bench.life().inject("cut", fake(), patience_s=0)).state == "applied"
    assert bench.world.now() == began_s


def test_a_bite_is_awaited_no_longer_than_the_schedule_holds_the_fault(bench: Bench) -> None:
    """A fault whose effect never shows is reverted when it is due, and not after the patience for a bite."""
    bench.world.deaf.add("node:a")
    life, began_s = bench.life(), bench.world.now()
    applied = drive(life.inject("cut", fake(), until_s=began_s + 2.0))
    assert applied.state == "applied"
    assert bench.world.now() == pytest.approx(began_s + 2.0, abs=0.01)
    drive(life.revert(applied.fault_id))
    assert bench.states() == ["healed"]


def test_a_bite_is_not_awaited_of_a_fault_that_another_process_undid(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guardian reverted it, past its deadline say: the wait ends with the look after that."""
    bench.world.deaf.add("node:a")
    life, began_s, sleep_until = bench.life(), bench.world.now(), bench.world.sleep_until

    async def reverted_meanwhile(at_s: float) -> None:
        await sleep_until(at_s)
        await bench.life().revert_all()

    monkeypatch.setattr(bench.world, "sleep_until", reverted_meanwhile)
    assert drive(life.inject("cut", fake())).state == "applied"
    assert bench.world.now() < began_s + 1.0
    assert bench.states() == ["healed"]


def test_a_bite_that_comes_late_is_seen_at_the_revert(bench: Bench) -> None:
    """A fault without a bite at first is looked at once more before it is taken away."""
    bench.world.deaf.add(NODE_A)
    life = bench.life()
    applied = drive(life.inject("cut", fake(), patience_s=0))
    bench.world.deaf.clear()
    drive(life.revert(applied.fault_id))
    assert "bitten cut" in bench.told


def test_an_undo_by_another_process_is_not_held_up_by_a_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a slow name takes as long as the name. Whether it bit matters to the run alone, which is dead."""
    bench.world.deaf.add(NODE_A)
    assert drive(bench.life().inject("cut", fake(), patience_s=0)).state == "applied"
    began_s, looked_s = bench.world.now(), list[float]()

    async def slowly(self: FakeFault, world: FakeWorld) -> Observation:
        looked_s.append(world.now() - began_s)
        await world.sleep_until(world.now() + 6.0)
        return Observation("absent", "quick again")

    monkeypatch.setattr(FakeFault, "observe", slowly)
    assert [end.state for end in drive(bench.life().revert_all())] == ["healed"]
    assert looked_s == [0.0]
    assert bench.told.index("released cut") < bench.told.index("healed cut")
    assert "bitten cut" not in bench.told, "the one look was for the heal"


@pytest.mark.parametrize(("bite_s", "seen"), [(0.1, 2), (6.0, 1)])
def test_an_effect_that_is_slow_to_see_is_not_looked_at_before_a_heal_by_hand(tmp_path: Path, bite_s: float, seen: int) -> None:
    """How long a look takes is known from the bite. Where that took long, only the carriers say that it was held until now."""
    clock = itertools.chain([time.time() - 100.0] * 3, itertools.repeat(time.time() - 100.0 + bite_s))
    with Ledger(":memory:", wall=lambda: next(clock)) as ledger:  # read for the stack, the intent and the apply
        ledger.add_stack("s", folder=tmp_path, world="file", run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        assert drive(bench.life().inject("cut", fake())).state == "bitten"
        bench.told.clear()
        healing = LifeCycle(bench.world, ledger, "s", bench.notice, make=make, look_first=True)
        assert [end.state for end in drive(healing.revert_all())] == ["healed"]
        assert bench.told.count("seen cut") == seen


def test_what_was_so_before_is_no_proof(bench: Bench) -> None:
    """When the effect was there before the fault, no bite is claimed, and the heal needs no absence."""
    bench.world.lingering.add(NODE_A)
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    assert applied.state == "applied"
    assert "it looked the same before" in applied.evidence
    assert drive(life.revert(applied.fault_id)).state == "healed"


def test_what_was_there_in_part_before_may_stay(bench: Bench) -> None:
    """An effect that some carriers showed before, as nodes that run a build already, is healed when no more of them show it."""
    bench.world.lingering.add(NODE_A)
    life = bench.life()
    applied = drive(life.inject("cut", fake(NODE_A, NODE_B)))
    assert applied.state == "bitten"
    assert drive(life.revert(applied.fault_id)).state == "healed"

    bench.world.lingering.remove(NODE_A)
    applied = drive(life.inject("cut again", fake(NODE_A, NODE_B)))
    bench.world.lingering.add(NODE_A)
    assert drive(life.revert(applied.fault_id)).state == "stuck"


def test_defence_is_recorded_and_leaves_nothing(bench: Bench) -> None:
    """When the system refuses the second carrier, the first is released and the fault ends as defended."""
    bench.world.broken["hold node:b"] = refusal()
    applied = drive(bench.life().inject("cut", fake(NODE_A, NODE_B)))
    assert (applied.state, applied.evidence) == ("defended", "the gate is closed")
    assert bench.world.held() == {}
    assert bench.states() == ["defended"]
    assert bench.told[-1] == "defended cut"


def test_a_failed_apply_is_undone_and_raised(bench: Bench) -> None:
    """An apply that fails half-way leaves no hold behind and tells the caller."""
    bench.world.broken["hold node:b"] = unreachable()
    with pytest.raises(WorldError):
        drive(bench.life().inject("cut", fake(NODE_A, NODE_B)))
    assert bench.world.held() == {}
    assert bench.states() == ["healed"]
    assert "failed cut" in bench.told


def test_reverting_twice_changes_nothing(bench: Bench) -> None:
    """A second revert returns the fault's state and does nothing."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    drive(life.revert(applied.fault_id))
    calls = len(bench.world.calls)
    assert drive(life.revert(applied.fault_id)).state == "healed"
    assert len(bench.world.calls) == calls


def test_a_fault_that_cannot_be_released_is_stuck_and_stops_no_other(bench: Bench) -> None:
    """One stuck fault is reported as such; the others are healed all the same, latest first."""
    life = bench.life()
    ids = [drive(life.inject(step, fake(f"node:{step}"))).fault_id for step in ("a", "b", "c")]
    bench.world.broken["release node:b"] = unreachable()
    ended = drive(life.revert_all())
    assert [(end.step, end.state) for end in ended] == [("c", "healed"), ("b", "stuck"), ("a", "healed")]
    assert bench.world.held() == {"node:b": {ids[1]}}
    assert "it does not answer" in ended[1].evidence
    del bench.world.broken["release node:b"]
    assert [end.state for end in drive(life.revert_all())] == ["healed"]


def test_an_undo_that_had_to_ask_over_ended_links_says_that_they_ended(bench: Bench) -> None:
    """The carrier is there and refuses its release, because what it has to ask cannot be reached any more."""
    applied = drive(bench.life().inject("cut", fake(NODE_A)))
    bench.world.broken = {
        f"release {NODE_A}": WorldError("the store of a did not answer: refused"),
        f"read link:{bench.world.spec.links()[0]}": CarrierGone("the proxy has ended"),
    }
    ended = drive(bench.life().revert(applied.fault_id))
    assert ended.state == "stuck"
    assert ended.evidence == f"the proxy has ended: {NODE_A}: the store of a did not answer: refused"


def test_an_effect_that_stays_is_stuck(bench: Bench) -> None:
    """Released but still visible is not healed: the fault is stuck and the evidence says what was seen."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    bench.world.lingering.add(NODE_A)
    ended = drive(life.revert(applied.fault_id))
    assert ended.state == "stuck"
    assert "its effect stays" in ended.evidence


def test_a_faults_own_faulty_revert_does_not_matter(bench: Bench) -> None:
    """Carriers are released by the ledger's list when a fault's own code fails."""
    life = bench.life()
    applied = drive(life.inject("cut", Clumsy(on=(NODE_A,))))
    assert drive(life.revert(applied.fault_id)).state == "healed"
    assert bench.world.held() == {}


def test_faults_whose_code_is_gone_are_undone(bench: Bench) -> None:
    """A fault whose kind is not installed any more is released on the carriers that the ledger lists."""
    drive(bench.life().inject("cut", fake()))
    stranger = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=lambda kind, params: {}[kind])
    assert [end.state for end in drive(stranger.revert_all())] == ["healed"]
    assert bench.world.held() == {}


def test_foreign_holds_are_told_and_left_alone(bench: Bench) -> None:
    """A hold that is not in the ledger is reported, is never released, and does not make a fault of the stack stuck."""
    bench.world.carriers[NODE_A] = {"someone-else": {"effect": "fake"}}
    bench.world.deaf.add(NODE_A)
    life = bench.life()
    applied = drive(life.inject("cut", fake(), patience_s=0))
    assert applied.foreign == ("node:a: someone-else",)
    assert "foreign cut" in bench.told
    bench.world.deaf.clear()
    assert drive(life.revert(applied.fault_id)).state == "healed"
    assert bench.world.held() == {NODE_A: {"someone-else"}}


def test_a_heal_that_others_hide_is_confirmed_when_they_are_gone(bench: Bench) -> None:
    """Of two faults on one carrier the first reverted stays `reverted` until the second is gone, then both are healed."""
    life = bench.life()
    first = drive(life.inject("first", fake(NODE_A, NODE_B)))
    drive(life.inject("second", fake(NODE_A)))
    assert drive(life.revert(first.fault_id)).state == "reverted"
    assert bench.states() == ["reverted", "applied"]
    assert {end.state for end in drive(life.revert_all())} == {"healed"}


def test_what_another_process_undoes_during_a_look_explains_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fault was there when the look began: an effect that was seen then does not make the first one stuck."""
    life, seen_by_look = bench.life(), looks.undo_look
    first = drive(life.inject("first", fake(NODE_A)))
    second = drive(life.inject("second", fake(NODE_A)))
    drive(life.revert(first.fault_id))

    async def meanwhile(world: World, fault: Fault) -> Observation:
        seen = await seen_by_look(world, fault)
        for state in ("reverting", "reverted"):
            bench.ledger.advance(second.fault_id, state)
        return seen

    monkeypatch.setattr(looks, "undo_look", meanwhile)
    found = drive(looks.heal_look(bench.world, bench.ledger, bench.ledger.fault(first.fault_id), fake(NODE_A)))
    assert found.state == "later"


def test_a_fenced_owner_cannot_apply(bench: Bench) -> None:
    """After a take-over an apply is refused with nothing touched."""
    life = bench.life()
    bench.ledger.take_over("s")
    with pytest.raises(Fenced):
        drive(life.inject("cut", fake()))
    assert not any(call.startswith("hold") for call in bench.world.calls)


def test_an_owner_that_is_fenced_during_the_apply_undoes_it(bench: Bench) -> None:
    """A take-over between intent and `applied` makes the owner take its own fault away again."""

    class Interrupted(FakeFault):
        async def apply(self, world: object, fault_id: str) -> None:
            bench.ledger.take_over("s")
            await super().apply(world, fault_id)

    with pytest.raises(Fenced):
        drive(bench.life().inject("cut", Interrupted(on=(NODE_A,))))
    assert bench.world.held() == {}
    assert bench.states() == ["healed"]


def test_a_take_over_just_after_the_intent_is_noticed(bench: Bench) -> None:
    """The epoch is checked again between the intent and the first touch."""

    life = bench.life()
    record = drive(life.intend("cut", fake()))
    bench.ledger.take_over("s")
    with pytest.raises(Fenced):
        drive(life.apply(record, fake()))
    assert not any(call.startswith("hold") for call in bench.world.calls)
    assert bench.states() == ["healed"]


def test_a_bite_under_a_guardians_hands_is_not_claimed(bench: Bench) -> None:
    """When another process has begun to undo a fault, its owner records no bite and raises nothing."""

    class Watched(FakeFault):
        async def observe(self, world: object) -> Observation:
            for fault in bench.ledger.open_faults("s"):
                bench.ledger.advance(fault.id, "reverting")
            return await super().observe(world)

    applied = drive(bench.life().inject("cut", Watched(on=(NODE_A,))))
    assert applied.state == "applied"
    assert "another process" in applied.evidence


def test_a_carrier_that_says_released_and_is_not_is_stuck(bench: Bench) -> None:
    """The hold set itself is read after a release, whatever the carrier answered and whatever a look says."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    bench.world.stubborn.add(NODE_A)
    bench.world.deaf.add(NODE_A)
    ended = drive(life.revert(applied.fault_id))
    assert ended.state == "stuck"
    assert "still held on node:a" in ended.evidence


def test_two_released_faults_do_not_excuse_each_other(bench: Bench) -> None:
    """When nothing is in place any more, an effect that stays makes a fault stuck."""
    life = bench.life()
    for step in ("first", "second"):
        drive(life.inject(step, fake()))
    bench.world.lingering.add(NODE_A)
    bench.ledger._database.execute("UPDATE faults SET baseline = json_set(baseline, '$.looked', 'absent')")
    drive(life.revert_all())
    assert "stuck" in bench.states()


def test_the_sweep_finds_what_came_too_late(bench: Bench) -> None:
    """A hold of ours that was put in place after its row was closed is released; others' holds stay."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    drive(life.revert(applied.fault_id))
    bench.world.carriers[NODE_A] = {applied.fault_id: {"effect": "fake"}, "someone-else": {}}
    assert drive(life.sweep()) == (f"node:a: {applied.fault_id}",)
    assert bench.world.held() == {NODE_A: {"someone-else"}}


def test_deadlines_follow_the_schedule_in_real_time(bench: Bench) -> None:
    """The guardian's deadline is the schedule's end in real seconds: emulated seconds over the clock's rate, plus slack."""
    bench.world.rate = 100.0
    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, monotonic=lambda: 50.0)
    drive(life.inject("cut", fake(), until_s=bench.world.now() + 1000.0))
    assert bench.ledger.faults("s")[0].deadline_s == 50.0 + 10.0 + 30.0


def test_faults_are_rebuilt_from_the_ledger(bench: Bench) -> None:
    """Kind and parameters in the ledger make an equal fault."""
    original = fake(NODE_A, NODE_B)
    drive(bench.life().inject("cut", original))
    (record,) = bench.ledger.open_faults("s")
    assert make(record.kind, record.params) == original
    assert record.step == "cut"


TARGETS = st.lists(st.sampled_from(["node:a", "node:b", "link:x->y"]), min_size=1, max_size=3, unique=True)


@given(targets=st.lists(TARGETS, min_size=2, max_size=4), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_overlaps_in_any_order_of_release(tmp_path: Path, targets: list[list[str]], data: st.DataObject) -> None:
    """Whatever overlaps and whatever goes first, a revert lifts no other fault, and in the end all is at its baseline."""
    with Ledger(":memory:") as ledger:
        ledger.add_stack("s", folder=tmp_path, world="", run_owned=True)
        bench = Bench(ledger, FakeWorld(), tmp_path)
        life = bench.life()
        faults = {drive(life.inject(f"step {n}", fake(*on))).fault_id: on for n, on in enumerate(targets)}
        for fault_id in data.draw(st.permutations(list(faults))):
            drive(life.revert(fault_id))
            del faults[fault_id]
            expected = {c: {i for i, on in faults.items() if c in on} for c in itertools.chain(*faults.values())}
            assert bench.world.held() == expected
        drive(life.revert_all())
        assert set(bench.states()) == {"healed"}


def test_holds_of_what_has_ended_are_gone(bench: Bench) -> None:
    """When what kept a carrier's holds has died, nothing is left to release: healed at once, and what died is said."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    bench.world.broken |= {f"{verb} node:a": CarrierGone("the proxy has ended") for verb in ("read", "release")}
    began_s = bench.world.now()
    reverted = drive(life.revert(applied.fault_id))
    assert (reverted.state, reverted.evidence) == ("healed", "nothing is held any more: the proxy has ended")
    assert bench.world.now() - began_s < 1


def test_where_every_link_has_ended_a_look_proves_no_heal(bench: Bench) -> None:
    """The node is released; it still does not answer, because what carries the links has died."""
    life = bench.life()
    applied = drive(life.inject("cut", fake()))
    bench.world.lingering.add(NODE_A)
    bench.world.broken[f"read link:{bench.world.spec.links()[0]}"] = CarrierGone("the proxy has ended")
    reverted = drive(life.revert(applied.fault_id))
    assert reverted.state == "healed"
    assert reverted.evidence.endswith("a look cannot tell more: the proxy has ended")


def test_a_carrier_that_is_gone_hides_no_other(bench: Bench) -> None:
    """What kept one carrier has died; the other still holds the fault, so it is not healed."""
    life = bench.life()
    applied = drive(life.inject("cut", fake(NODE_A, NODE_B)))
    bench.world.broken |= {f"{verb} {NODE_A}": CarrierGone("it has ended") for verb in ("read", "release")}
    bench.world.stubborn.add(NODE_B)
    reverted = drive(life.revert(applied.fault_id))
    assert (reverted.state, reverted.evidence) == ("stuck", f"still held on {NODE_B}")
    bench.world.stubborn.clear()
    assert drive(life.revert(applied.fault_id)).evidence == "nothing is held any more: it has ended"


def test_a_node_that_ended_by_itself_is_no_failure_to_revert(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is released and silent all the same, because its process has ended since: healed, and said so."""
    life, read = bench.life(), bench.world.read
    applied = drive(life.inject("cut", fake(NODE_A)))
    bench.world.lingering.add(NODE_A)

    async def dead(carrier: Carrier) -> Mapping[str, Any]:
        return {**await read(carrier), "state": "dead", "exit": "signal SIGKILL"}

    monkeypatch.setattr(bench.world, "read", dead)
    reverted = drive(life.revert(applied.fault_id))
    assert reverted.state == "healed"
    assert reverted.evidence.endswith("a look cannot tell more: node:a has ended (signal SIGKILL)")


def test_each_change_of_an_apply_asks_for_permission(bench: Bench) -> None:
    """A process that loses its lease between two carriers changes no other one, and what it had done is undone."""
    asked: list[str] = []

    def permission() -> None:
        asked.append(str(bench.world.held()))
        if len(asked) == 2:
            raise Fenced("the lease is lost")

    class Asking(FakeFault):
        """A fault whose carriers ask, as those of a live world do."""

        async def apply(self, world: World, fault_id: str) -> None:
            for carrier in self.carriers(world.spec):
                require_permission()
                await world.hold(carrier, fault_id, self.state(world.spec, carrier))

    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, permission=permission)
    with pytest.raises(Fenced, match="the lease is lost"):
        drive(life.inject("cut", Asking(on=(NODE_A, NODE_B))))
    assert [call for call in bench.world.calls if call.startswith("hold")] == ["hold node:a"]
    assert bench.world.held() == {}
    require_permission()  # outside of an apply nothing is asked


def test_an_apply_that_was_paused_past_its_deadline_changes_nothing_more(bench: Bench) -> None:
    """By then a guardian reverts the fault, also where no lease is kept, as with faults by hand."""
    clock = [0.0]

    class Slow(FakeFault):
        """A fault whose process is paused in the middle of its apply."""

        async def apply(self, world: World, fault_id: str) -> None:
            clock[0] += 3600.0
            require_permission()

    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, monotonic=lambda: clock[0])
    with pytest.raises(Fenced, match="was this process paused"):
        drive(life.inject("cut", Slow(on=(NODE_A,)), until_s=bench.world.now() + 10))
