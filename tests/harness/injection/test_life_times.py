"""How long the life cycle waits, looks and tries, on the fake world's clock, and what it says took how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.injection.ledger import Fenced
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.world import Carrier
from support.fake_world import Clumsy, FakeWorld, drive, make, unreachable
from support.lifecycle_bench import Bench, fake

NODE_A = "node:a"


def slow_world(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, look_s: float = 0.0, hold_s: float = 0.0, release_s: float = 0.0
) -> None:
    """From here on looks, holds and releases take emulated time."""
    shows, hold, release = FakeWorld.shows_effect, bench.world.hold, bench.world.release

    def look(world: FakeWorld, carrier: Carrier) -> bool:
        drive(world.sleep_until(world.now() + look_s))
        return shows(world, carrier)

    async def slow_hold(carrier: Carrier, fault_id: str, effect: Any) -> Mapping[str, Any]:
        await bench.world.sleep_until(bench.world.now() + hold_s)
        return await hold(carrier, fault_id, effect)

    async def slow_release(carrier: Carrier, fault_id: str) -> None:
        await bench.world.sleep_until(bench.world.now() + release_s)
        await release(carrier, fault_id)

    monkeypatch.setattr(FakeWorld, "shows_effect", look)
    monkeypatch.setattr(bench.world, "hold", slow_hold)
    monkeypatch.setattr(bench.world, "release", slow_release)


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_what_a_bite_and_a_heal_took_is_network_time(bench: Bench, monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    """From the first change to the end of the look that saw it; the length of that look is emulated time."""
    bench.world.rate = rate
    life = bench.life()
    before = drive(life.intend("cut", fake()))
    slow_world(bench, monkeypatch, look_s=2.0, hold_s=6.0, release_s=1.0)
    began_s = bench.world.now()
    applied = drive(life.apply(before, fake()))
    assert (applied.began_s, applied.applied_s, applied.bitten_s) == (began_s, began_s + 6.0, None)
    bitten = drive(life.await_bite(before, fake(), applied))
    assert (bitten.bitten_s, bitten.look_s, bitten.took_s) == (began_s + 8.0, 2.0, 8.0 / rate)
    reverted = drive(life.revert(before.id))
    assert reverted.took_s == 3.0 / rate


def test_the_look_that_saw_the_bite_is_the_one_whose_length_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the waits before it."""
    life = bench.life()
    record = drive(life.intend("cut", fake()))
    slow_world(bench, monkeypatch, look_s=0.5)
    bench.world.deaf.add(NODE_A)
    sleep_until, sleeps = bench.world.sleep_until, []

    async def heard_later(at_s: float) -> None:
        sleeps.append(at_s)
        await sleep_until(at_s)
        if len(sleeps) == 6:
            bench.world.deaf.clear()

    applied = drive(life.apply(record, fake()))
    monkeypatch.setattr(bench.world, "sleep_until", heard_later)
    assert drive(life.await_bite(record, fake(), applied)).look_s == pytest.approx(0.5)


@pytest.mark.parametrize(("rate", "answers_at", "state"), [(1.0, 3, "healed"), (5.0, 3, "healed"), (1.0, 4, "stuck")])
def test_a_release_is_tried_three_times(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, rate: float, answers_at: int, state: str
) -> None:
    """With one and then two seconds of network time in between."""
    bench.world.rate = rate
    life = bench.life()
    fault_id = drive(life.inject("cut", Clumsy(on=(NODE_A,)))).fault_id
    began_s, tries, release = bench.world.now(), list[float](), bench.world.release

    async def sometimes(carrier: Carrier, held: str) -> None:
        tries.append(bench.world.now() - began_s)
        if len(tries) < answers_at:
            raise unreachable()
        await release(carrier, held)

    monkeypatch.setattr(bench.world, "release", sometimes)
    assert drive(life.revert(fault_id)).state == state
    assert tries == [0.0, 1.0 * rate, 3.0 * rate]


@pytest.mark.parametrize(("beside", "least_s", "most_s", "state"), [(False, 7.0, 8.0, "stuck"), (True, 0.2, 0.3, "reverted")])
def test_a_heal_is_awaited_as_long_as_a_bite_unless_another_fault_may_hide_it(
    bench: Bench, beside: bool, least_s: float, most_s: float, state: str
) -> None:
    """Eight seconds; beside a fault in place a third of one, because its undo is not to be held up."""
    life = bench.life()
    fault_id = drive(life.inject("cut", fake())).fault_id
    if beside:
        drive(life.inject("other", fake("node:b")))
    bench.world.lingering.add(NODE_A)
    began_s = bench.world.now()
    assert drive(life.revert(fault_id)).state == state
    assert least_s < bench.world.now() - began_s <= most_s


def test_what_was_undone_before_is_left_and_says_how_it_ended(bench: Bench) -> None:
    """Whichever way it is asked for."""
    life = bench.life()
    fault_id = drive(life.inject("cut", fake())).fault_id
    drive(life.revert(fault_id))
    for again in (life.revert(fault_id), life.try_again(bench.ledger.fault(fault_id))):
        ended = drive(again)
        assert (ended.fault_id, ended.step, ended.state, ended.evidence) == (fault_id, "cut", "healed", "it was undone before")


def test_only_what_is_stuck_is_tried_again(bench: Bench) -> None:
    """The latest first; a fault in place is not touched."""
    life = bench.life()
    stuck = [drive(life.inject(step, fake(f"node:{step}"))).fault_id for step in ("a", "b")]
    bench.world.broken = {f"release node:{step}": unreachable() for step in ("a", "b")}
    drive(life.revert_all())
    bench.world.broken = {}
    drive(life.inject("kept", fake("node:c")))
    assert [(end.fault_id, end.state) for end in drive(life.retry_stuck())] == [(stuck[1], "healed"), (stuck[0], "healed")]
    assert bench.states() == ["healed", "healed", "bitten"]


def test_a_revert_of_some_confirms_what_they_hid(bench: Bench) -> None:
    """A fault outside of those that is released already is looked at again; one in place stays."""
    life = bench.life()
    hidden = drive(life.inject("hidden", fake(NODE_A))).fault_id
    hiding = drive(life.inject("hiding", fake(NODE_A))).fault_id
    assert drive(life.revert(hidden)).state == "reverted"
    assert [end.fault_id for end in drive(life.revert_all({hiding}))] == [hiding, hidden]
    drive(life.inject("kept", fake("node:b")))
    other = drive(life.inject("other", fake("node:c"))).fault_id
    assert [end.fault_id for end in drive(life.revert_all({other}))] == [other]
    assert bench.states() == ["healed", "healed", "bitten", "healed"]


def test_a_bite_that_cannot_be_entered_is_not_claimed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: the fault stays in place without a proven bite, and the reason is told."""
    life, advance = bench.life(), bench.ledger.advance

    def full(fault_id: str, to: Any, *, evidence: str = "") -> Any:
        if to == "bitten":
            raise LedgerError("the disk is full")
        return advance(fault_id, to, evidence=evidence)

    monkeypatch.setattr(bench.ledger, "advance", full)
    applied = drive(life.inject("cut", fake()))
    assert (applied.state, applied.bitten_s) == ("applied", None)
    assert applied.evidence == "it could not be entered in the ledger: the disk is full"
    assert "absent cut" in bench.told


def test_a_change_from_another_thread_asks_the_lease_and_the_clock_alone(bench: Bench) -> None:
    """The ledger's connection belongs to the thread that made it; there the epoch is asked too."""
    asked: list[int] = []
    life = LifeCycle(bench.world, bench.ledger, "s", bench.notice, make=make, permission=lambda: asked.append(1))
    record = drive(life.intend("cut", fake()))
    check = life._permission_for(record)
    check()
    bench.ledger.take_over("s")
    with pytest.raises(Fenced):
        check()
    assert len(asked) == 2


def test_a_fault_that_is_watched_has_an_end_and_bit_or_not(bench: Bench) -> None:
    """Without an end it is not watched; a defended one neither."""
    life = bench.life()
    drive(life.inject("endless", fake("node:b")))
    assert life.watch.next_s() == float("inf")
    drive(life.inject("ended", fake(), until_s=bench.world.now() + 60))
    assert life.watch.next_s() < bench.world.now() + 60


def test_a_sweep_passes_what_has_ended_and_stops_at_what_does_not_answer(bench: Bench) -> None:
    """Open faults are not swept; what was released is told of the fault that it was of."""
    life = bench.life()
    closed = drive(life.inject("closed", fake(NODE_A, "node:b"))).fault_id
    drive(life.revert(closed))
    opened = drive(life.inject("open", fake(NODE_A))).fault_id
    bench.world.carriers = {NODE_A: {closed: {}, opened: {}}, "node:b": {closed: {}}}
    assert drive(life.sweep()) == (f"node:a: {closed}", f"node:b: {closed}")
    assert bench.world.held() == {NODE_A: {opened}}
    assert bench.told.count("swept closed") == 2
    bench.world.broken = {"read node:b": unreachable()}
    with pytest.raises(WorldError):
        drive(life.sweep())
