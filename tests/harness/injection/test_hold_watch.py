"""The watch over faults in force: what counts as lost, what does not, and how often it looks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from brownout.harness.fault import Observation
from brownout.harness.injection.hold_watch import CARRIER_LOOKS, CONFIRM_S, LOOK_GAP_S
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.notices import HoldLost
from brownout.harness.world import Carrier, World
from support.fake_world import FakeFault, FakeWorld, drive, unreachable
from support.lifecycle_bench import Bench, fake

HOLD_S = 100.0
NODE_A = "node:a"


def hold(bench: Bench, life: LifeCycle, *carriers: str, hold_s: float = HOLD_S) -> str:
    """A fault in force, to be reverted `hold_s` from now; its id."""
    return drive(life.inject("cut", fake(*carriers), until_s=bench.world.now() + hold_s)).fault_id


def wait(bench: Bench, life: LifeCycle, until_s: float) -> None:
    """Lets the time pass as a conductor does."""
    while bench.world.now() < until_s:
        drive(bench.world.sleep_until(min(until_s, life.watch.next_s())))
        drive(life.watch.look_due(before_s=until_s))


def lost(life: LifeCycle, fault_id: str) -> HoldLost:
    return life.watch.lost[fault_id]


def test_a_fault_that_stays_in_force_is_not_lost(bench: Bench) -> None:
    """It is seen several times in between and once right before its revert."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    wait(bench, life, began_s + HOLD_S)
    assert drive(life.revert(fault_id)).state == "healed"
    assert life.watch.lost == {}
    assert 3 <= bench.told.count("seen cut") <= 7
    assert "lost cut" not in bench.told


def test_a_hold_that_was_taken_away_is_lost(bench: Bench) -> None:
    """What removed it is unknown; when it was last seen and where it is missing is said, once."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    wait(bench, life, began_s + 30)
    bench.world.carriers.clear()
    wait(bench, life, began_s + HOLD_S)
    assert lost(life, fault_id).evidence == "node:a does not hold it any more"
    assert began_s + 20 < lost(life, fault_id).seen_s <= began_s + 30
    assert drive(life.revert(fault_id)).state == "healed"
    assert bench.told.count("lost cut") == 1


def test_a_hold_taken_away_just_before_the_revert_is_lost(bench: Bench) -> None:
    """The revert itself looks once more, so also a short hold is not lost unseen."""
    life = bench.life()
    fault_id = hold(bench, life, hold_s=0.5)
    bench.world.carriers.clear()
    drive(life.revert(fault_id))
    assert "does not hold it" in lost(life, fault_id).evidence


def test_an_effect_that_went_away_is_lost_when_two_looks_agree(bench: Bench) -> None:
    """The carrier still shows the hold, and the fault's own look no longer shows its effect."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    bench.world.deaf.add(NODE_A)
    wait(bench, life, began_s + HOLD_S)
    assert lost(life, fault_id).evidence == "its effect is gone: effects [False]"
    assert lost(life, fault_id).seen_s == began_s


def test_an_effect_that_nothing_shows_at_present_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that call themselves idle find the order standing and nothing to see it by: no number of them is a loss."""

    async def idle(self: FakeFault, world: World) -> Observation:
        return Observation("unclear", "nothing has changed since", idle=True)

    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    monkeypatch.setattr(FakeFault, "observe", idle)
    wait(bench, life, began_s + HOLD_S)
    assert life.watch.lost == {}
    monkeypatch.undo()
    assert drive(life.revert(fault_id)).state == "healed"


def test_one_look_without_the_effect_proves_nothing(bench: Bench) -> None:
    """A busy machine can spoil one look."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    bench.world.deaf.add(NODE_A)
    wait(bench, life, began_s + HOLD_S / 5 + CONFIRM_S / 2)
    bench.world.deaf.clear()
    wait(bench, life, began_s + HOLD_S)
    drive(life.revert(fault_id))
    assert life.watch.lost == {}


def test_an_effect_that_another_fault_hides_is_not_lost(bench: Bench) -> None:
    """With other faults in place than at the last look, only the carriers decide."""
    life = bench.life()
    began_s = bench.world.now()
    hidden = hold(bench, life)
    other = drive(life.inject("other", fake("node:b"), until_s=began_s + HOLD_S)).fault_id
    bench.world.deaf.add(NODE_A)
    wait(bench, life, began_s + HOLD_S)
    drive(life.revert(other))
    drive(life.revert(hidden))
    assert life.watch.lost == {}


def test_a_fault_beside_others_is_still_lost_on_its_carriers(bench: Bench) -> None:
    """Other faults hide an effect, not a hold that is gone."""
    life = bench.life()
    began_s = bench.world.now()
    gone = hold(bench, life)
    drive(life.inject("other", fake("node:b"), until_s=began_s + HOLD_S))
    bench.world.carriers.pop(NODE_A)
    wait(bench, life, began_s + HOLD_S)
    assert set(life.watch.lost) == {gone}


def test_a_carrier_in_another_state_than_its_holds_ask_for_is_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier still lists the hold and says that it is not in force, as a node that came back by itself does."""
    life = bench.life()
    fault_id = hold(bench, life)
    read = FakeWorld.read

    async def lacking(world: FakeWorld, carrier: Carrier) -> Mapping[str, Any]:
        return {**await read(world, carrier), "lacking": ["is running, though it is held down"]}

    monkeypatch.setattr(FakeWorld, "read", lacking)
    drive(life.revert(fault_id))
    assert lost(life, fault_id).evidence == "node:a is running, though it is held down"


def test_a_hold_that_was_replaced_is_lost(bench: Bench) -> None:
    """Something else stands on the carrier under the fault's id."""
    life = bench.life()
    fault_id = hold(bench, life, "link:a->b")
    bench.world.carriers["link:a->b"][fault_id] = {"effect": "stall", "direction": "both"}
    drive(life.revert(fault_id))
    assert "holds something else under its name (effect stall)" in lost(life, fault_id).evidence


def test_a_carrier_that_cannot_be_read_at_the_end_is_a_loss(bench: Bench) -> None:
    """Nobody can say that the fault was in force until its revert."""
    life = bench.life()
    fault_id = hold(bench, life)
    bench.world.broken["read node:a"] = unreachable()
    drive(life.revert(fault_id))
    assert lost(life, fault_id).evidence == "it cannot be seen any more: it does not answer"


def test_what_another_process_reverted_is_lost_and_says_when(bench: Bench) -> None:
    """A guardian that reverted the fault is named with the time of the ledger."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life)
    drive(bench.life().revert(fault_id))
    wait(bench, life, began_s + HOLD_S)
    assert "another process reverted it at" in lost(life, fault_id).evidence
    assert lost(life, fault_id).evidence.endswith("UTC (now healed)")


def test_a_fault_without_a_proven_bite_is_watched_on_its_carriers(bench: Bench) -> None:
    """An effect that was never seen cannot go away; the hold can."""
    bench.world.deaf.add(NODE_A)
    life = bench.life()
    began_s = bench.world.now()
    kept = drive(life.inject("kept", fake(), until_s=began_s + HOLD_S, patience_s=0)).fault_id
    wait(bench, life, began_s + HOLD_S)
    drive(life.revert(kept))
    assert life.watch.lost == {}
    gone = drive(life.inject("gone", fake(), until_s=bench.world.now() + HOLD_S, patience_s=0)).fault_id
    bench.world.carriers.clear()
    drive(life.revert(gone))
    assert set(life.watch.lost) == {gone}


def test_a_look_that_crashes_does_not_stop_the_revert(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a fault's code becomes a loss, and the fault is reverted all the same."""
    life = bench.life()
    fault_id = hold(bench, life)
    monkeypatch.setattr(FakeWorld, "shows_effect", lambda world, carrier: 1 / 0)
    drive(bench.world.sleep_until(bench.world.now() + HOLD_S))
    assert drive(life.revert(fault_id)).state == "healed"
    assert "ZeroDivisionError" in lost(life, fault_id).evidence
    assert bench.world.held() == {}


@pytest.mark.parametrize("hold_s", [1.0, 10.0, 3600.0, 24 * 3600.0])
def test_looks_are_bounded_however_long_a_fault_is_held(bench: Bench, hold_s: float) -> None:
    """The carriers are read a few times in a hold, and never more often than a lease is renewed."""
    life = bench.life()
    began_s = bench.world.now()
    fault_id = hold(bench, life, hold_s=hold_s)
    before = bench.world.calls.count("read node:a")
    wait(bench, life, began_s + hold_s)
    reads = bench.world.calls.count("read node:a") - before
    assert reads <= min(hold_s / LOOK_GAP_S + 1, 2 * CARRIER_LOOKS)
    drive(life.revert(fault_id))
    assert life.watch.lost == {}


def test_a_slow_look_never_makes_the_schedule_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at an effect that take longer than the time until the next step are left out."""
    life = bench.life()
    shows = FakeWorld.shows_effect

    def slow(world: FakeWorld, carrier: Carrier) -> bool:
        drive(world.sleep_until(world.now() + 20))
        return shows(world, carrier)

    monkeypatch.setattr(FakeWorld, "shows_effect", slow)
    hold(bench, life)
    began_s = bench.world.now()
    for step_s in range(10, 100, 10):  # a step every ten seconds
        wait(bench, life, began_s + step_s)
        assert bench.world.now() == began_s + step_s


def test_a_doubt_right_before_the_revert_gets_a_second_look(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An effect that is back CONFIRM_S later was in force; one that is still gone is lost, as of when it was last seen."""
    life = bench.life()
    sleep_until = bench.world.sleep_until

    async def heard_again(at_s: float) -> None:
        await sleep_until(at_s)
        bench.world.deaf.clear()

    for back in (True, False):
        fault_id = hold(bench, life)
        seen_s = bench.world.now()
        drive(bench.world.sleep_until(seen_s + HOLD_S))
        bench.world.deaf.add(NODE_A)
        with monkeypatch.context() as patched:
            if back:
                patched.setattr(bench.world, "sleep_until", heard_again)
            drive(life.watch.finish(fault_id))
        assert bench.world.now() == seen_s + HOLD_S + CONFIRM_S
        assert (fault_id in life.watch.lost) is not back
        bench.world.deaf.clear()
        drive(life.revert(fault_id))
    assert lost(life, fault_id).seen_s == seen_s


@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_when_the_next_looks_are(bench: Bench, rate: float) -> None:
    """Of 100 s the carriers' are a sixteenth apart, the effect's a fifth; none is closer than LOOK_GAP_S of network time."""
    bench.world.rate = rate
    life, began_s, effects = bench.life(), bench.world.now(), []
    hold(bench, life)
    assert life.watch.next_s() - began_s == max(HOLD_S / 16, LOOK_GAP_S * rate)
    while life.watch.next_s() < began_s + HOLD_S:
        drive(bench.world.sleep_until(life.watch.next_s()))
        told = bench.told.count("seen cut")
        drive(life.watch.look_due(before_s=began_s + HOLD_S))
        if bench.told.count("seen cut") > told:
            effects.append(round(bench.world.now() - began_s, 6))
    assert effects == [20.0, 40.0, 60.0, 80.0]
    assert life.watch.next_s() >= began_s + HOLD_S


def slow_looks(bench: Bench, monkeypatch: pytest.MonkeyPatch, look_s: float) -> None:
    """From here on a look at an effect takes that long."""
    shows = FakeWorld.shows_effect

    def slow(world: FakeWorld, carrier: Carrier) -> bool:
        drive(world.sleep_until(world.now() + look_s))
        return shows(world, carrier)

    monkeypatch.setattr(FakeWorld, "shows_effect", slow)


def test_the_last_look_at_an_effect_ends_right_before_the_revert(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins two of its lengths before the end of the hold, going by how long the one before took."""
    slow_looks(bench, monkeypatch, 2.0)
    life = bench.life()
    until_s, looked = bench.world.now() + HOLD_S, []
    hold(bench, life)
    while life.watch.next_s() < until_s:
        drive(bench.world.sleep_until(life.watch.next_s()))
        told, at_s = bench.told.count("seen cut"), bench.world.now()
        drive(life.watch.look_due(before_s=until_s))
        if bench.told.count("seen cut") > told:
            looked.append(at_s)
    assert looked[-1] == until_s - 4.0


@pytest.mark.parametrize(
    ("hold_s", "look_s", "next_s"),
    [
        (100.0, 2.0, 20.0),  # a fifth of the hold
        (8.0, 2.0, 2.0),  # the usual look has just ended when the last is to begin: both are taken
        (7.5, 2.0, 3.5),  # it would not have ended: only the last is taken
        (8.5, 4.0, 0.5),
        (8.0, 4.0, 2.0),  # the last would begin at once
    ],
)
def test_the_next_look_at_an_effect_leaves_time_for_the_last(bench: Bench, hold_s: float, look_s: float, next_s: float) -> None:
    """It gives way to the last look before the revert where it would not have ended by then."""
    life, now_s = bench.life(), bench.world.now()
    record = bench.ledger.fault(hold(bench, life))
    life.watch.begin(record, fake(), until_s=now_s + hold_s, bitten=True, look_s=look_s)
    assert life.watch._held[record.id].effect_due_s - now_s == next_s


@pytest.mark.parametrize(("left_s", "looks"), [(2.4, False), (2.5, True)])
def test_a_look_is_taken_where_a_quarter_more_than_the_last_fits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, left_s: float, looks: bool
) -> None:
    """The last look took two seconds."""
    slow_looks(bench, monkeypatch, 2.0)
    life = bench.life()
    hold(bench, life)
    drive(bench.world.sleep_until(bench.world.now() + HOLD_S / 2))
    told = bench.told.count("seen cut")
    drive(life.watch.look_due(before_s=bench.world.now() + left_s))
    assert (bench.told.count("seen cut") > told) is looks


@pytest.mark.parametrize(
    ("look_s", "hold_s", "age_s", "looks"),
    [
        (0.0, 100.0, 12.4, False),
        (0.0, 100.0, 12.6, True),
        (2.0, 100.0, 12.6, True),
        (2.9, 20.0, 8.6, False),
        (2.9, 20.0, 8.8, True),
        (3.1, 100.0, 90.0, False),
        (2.5, 9.0, 9.0, False),
        (2.0, 8.0, 8.0, True),
    ],
)
def test_whether_an_effect_is_looked_at_once_more_at_the_revert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, look_s: float, hold_s: float, age_s: float, looks: bool
) -> None:
    """When the last look is an eighth of the hold ago and three of its lengths; never one of 3 s or a quarter of the hold."""
    life = bench.life()
    slow_looks(bench, monkeypatch, look_s)
    fault_id = drive(life.inject("cut", fake(), until_s=bench.world.now() + look_s + hold_s + look_s)).fault_id
    drive(bench.world.sleep_until(bench.world.now() + age_s))
    told = bench.told.count("seen cut")
    drive(life.watch.finish(fault_id))
    assert bench.told.count("seen cut") - told == 1 + looks  # one says that it held until the end
    assert life.watch.lost == {}


@pytest.mark.parametrize(
    ("carriers", "state", "effect"),
    [(("node:a",), "bitten", True), (("node:a",), "applied", False), (("link:a->b",), "bitten", False)],
)
def test_a_fault_that_another_process_put_in_place_is_looked_at_before_its_revert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, carriers: tuple[str, ...], state: str, effect: bool
) -> None:
    """Its effect where it had bitten and is on nodes; on links the carriers alone decide. It was last seen at its bite."""
    if state == "applied":
        bench.world.deaf.add("node:a")
    fault_id = drive(bench.life().inject("cut", fake(*carriers), patience_s=0)).fault_id
    bench.world.deaf.add(carriers[0])
    other, bitten_s = bench.life(), time.time()
    monkeypatch.setattr(time, "time", lambda: bitten_s + 60.0)
    other.watch.revisit(bench.ledger.fault(fault_id), fake(*carriers))
    assert drive(other.watch.finish(fault_id)) == other.watch.lost.get(fault_id)
    assert (fault_id in other.watch.lost) is effect
    if effect:
        assert lost(other, fault_id).seen_s == pytest.approx(bench.world.now() - CONFIRM_S - 60.0, abs=5.0)


def test_a_fault_that_bit_at_once_has_a_look_that_takes_no_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So its effect is looked at before the revert however short its hold was."""
    bitten_s = time.time()
    monkeypatch.setattr(time, "time", lambda: bitten_s)
    bench.ledger._wall = lambda: bitten_s
    fault_id = drive(bench.life().inject("cut", fake("node:a"), patience_s=0)).fault_id
    bench.world.deaf.add("node:a")
    other = bench.life()
    monkeypatch.setattr(time, "time", lambda: bitten_s + 2.0)
    other.watch.revisit(bench.ledger.fault(fault_id), fake("node:a"))
    drive(other.watch.finish(fault_id))
    assert "its effect is gone" in lost(other, fault_id).evidence


def test_a_look_of_another_process_took_no_longer_than_its_bite(bench: Bench) -> None:
    """In emulated time, as the schedule's: two seconds of the wall clock are twenty at this rate."""
    bench.world.rate = 10.0
    walls = iter((1000.0, 1001.0, 1003.0))  # intended, applied, bitten
    bench.ledger._wall = lambda: next(walls)
    fault_id = drive(bench.life().inject("cut", fake("node:a"), patience_s=0)).fault_id
    other = bench.life()
    other.watch.revisit(bench.ledger.fault(fault_id), fake("node:a"))
    assert other.watch._held[fault_id].look_s == 20.0


def test_what_another_fault_holds_is_not_asked(bench: Bench) -> None:
    """A switch on a node that is held down would not answer for seconds; its own node is asked."""
    life = bench.life()
    fault_id = drive(life.inject("cut", fake("control:a", "node:b"), until_s=bench.world.now() + HOLD_S)).fault_id
    drive(life.inject("other", fake("node:a")))
    bench.world.calls.clear()
    drive(life.watch.finish(fault_id))
    assert "read node:b" in bench.world.calls
    assert "read control:a" not in bench.world.calls
    assert life.watch.nodes_held() == {"a", "b"}


class Scripted(FakeFault):
    """What its looks see, one after the other."""

    seen: ClassVar[list[Observation]] = []

    async def observe(self, world: World) -> Observation:
        return self.seen.pop(0)


BITTEN, ABSENT, IDLE = Observation("bitten", "it is"), Observation("absent", "it is not"), Observation("absent", "-", idle=True)


@pytest.mark.parametrize(
    ("looks", "is_lost"),
    [
        ((ABSENT, ABSENT), True),
        ((ABSENT, IDLE, ABSENT), False),
        ((ABSENT, BITTEN, ABSENT), False),
        ((IDLE, ABSENT, IDLE, ABSENT), False),
        ((IDLE, ABSENT, ABSENT), True),
    ],
)
def test_a_fault_is_lost_when_two_looks_in_a_row_do_not_find_its_effect(
    bench: Bench, looks: tuple[Observation, ...], is_lost: bool
) -> None:
    """One that found nothing in which it could show, or that saw it again, begins the count anew."""
    life = bench.life()
    Scripted.seen = [ABSENT, BITTEN, *looks]
    fault_id = drive(life.inject("cut", Scripted(on=("node:a",)), until_s=bench.world.now() + HOLD_S)).fault_id
    held = life.watch._held[fault_id]
    for _ in looks:
        drive(life.watch._look(held, effect=True))
    assert (fault_id in life.watch.lost) is is_lost
    assert Scripted.seen == []


def test_what_another_process_reverts_between_two_reads_is_its_doing_and_no_loss_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was open when the look began, and the carriers hold nothing when they are read."""
    life = bench.life()
    fault_id = hold(bench, life)
    read = bench.world.read

    async def undone(carrier: Carrier) -> Mapping[str, Any]:
        for state in ("reverting", "reverted", "healed"):
            bench.ledger.advance(fault_id, state)
        bench.world.carriers.clear()
        return await read(carrier)

    monkeypatch.setattr(bench.world, "read", undone)
    drive(life.watch.finish(fault_id))
    assert lost(life, fault_id).evidence.startswith("another process reverted it at ")
    assert life.watch.undone_by_others == {fault_id}
