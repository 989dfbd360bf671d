"""Looks at a fault: what cannot be looked at any more is told apart from what does not answer just now, and when to look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.fault import Observation
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.injection.looks import (
    BLIND,
    CRASHED,
    GONE,
    Before,
    dead_node,
    foreign_holds,
    gone_with_links,
    heal_look,
    look,
    look_before,
    looks_as_before,
    moments,
    read_there,
    undo_look,
)
from brownout.harness.world import Carrier, StackSpec, World
from support.fake_world import FakeFault, FakeWorld, drive, unreachable
from support.lifecycle_bench import Bench, fake

NODE_A, NODE_B = "node:a", "node:b"


class _Looking:
    """A fault whose look ends with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def observe(self, world: Any) -> Any:
        raise self._error


class SlowToSettle(FakeFault):
    """One whose effect follows its carriers after four seconds."""

    def settles_s(self, spec: StackSpec) -> float:
        return 4.0


class Lasting(FakeFault):
    """One whose effect stays by nature."""

    lasting = True


class Hidden(FakeFault):
    """One whose own look ends as it is told to."""

    ending: Any = None

    async def observe(self, world: World) -> Observation:
        if isinstance(self.ending, Observation):
            return self.ending
        raise self.ending


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (CarrierGone("sydney.token.z2 has ended by itself"), {GONE: "sydney.token.z2 has ended by itself"}),
        (WorldError("sydney.token.z2 does not answer"), None),
    ],
)
def test_a_look_at_what_has_ended_says_so(error: WorldError, detail: Any) -> None:
    """A node that is looked at and carries nothing may end; then no later look can tell more."""
    fault: Any = _Looking(error)
    world: Any = None
    seen = asyncio.run(look(world, fault))
    assert (seen.state, seen.detail) == ("unclear", detail)
    assert seen.evidence.endswith(error.message)


def test_a_look_of_an_undo_survives_a_faults_code() -> None:
    """A bug in it is told and decides nothing; a look of an apply raises it."""
    fault: Any = _Looking(KeyError("zone"))
    world: Any = None
    assert asyncio.run(undo_look(world, fault)) == Observation("unclear", f"{CRASHED}KeyError: 'zone'")
    with pytest.raises(KeyError):
        asyncio.run(look(world, fault))


def test_the_state_before_has_every_carrier(bench: Bench) -> None:
    """By its text, with what it holds; and the fault's look."""
    bench.world.carriers[NODE_B] = {"other": {"effect": "down"}}
    readings = {NODE_A: {"holds": {}}, NODE_B: {"holds": {"other": {"effect": "down"}}}}
    before = drive(look_before(bench.world, fake(NODE_A, NODE_B)))
    assert before == Before(readings, Observation("unclear", "effects [False, True]"))


@pytest.mark.parametrize(("rate", "settles"), [(1.0, False), (3.0, False), (1.0, True)])
def test_looks_come_close_together_at_first_and_end_with_the_patience(rate: float, settles: bool) -> None:
    """The waits double from 20 ms to a sixteenth of the patience, in network time; a fault that settles slowly gets more."""
    world = FakeWorld()
    world.rate = rate
    fault = SlowToSettle(on=(NODE_A,)) if settles else fake()
    patience_s, began_s, waits = 8.0 * rate + (4.0 if settles else 0.0), world.now(), []
    for at_s in moments(world, fault, 8.0):
        waits.append(at_s - world.now())
        drive(world.sleep_until(at_s))
    assert waits[:5] == pytest.approx([0.02 * rate, 0.04 * rate, 0.08 * rate, 0.16 * rate, 0.32 * rate])
    assert waits[6:] == pytest.approx([patience_s / 16] * len(waits[6:]))
    assert patience_s - patience_s / 16 < world.now() - began_s <= patience_s


def test_without_patience_there_is_no_further_look() -> None:
    """And one that fits exactly is taken."""
    for fault in (fake(), SlowToSettle(on=(NODE_A,))):
        assert list(moments(FakeWorld(), fault, 0.0)) == []
    world = FakeWorld()
    assert next(moments(world, None, 0.02)) == world.now() + 0.02


def test_what_ended_is_told_from_the_carriers_that_are_there(bench: Bench) -> None:
    """The others are read all the same; one that does not answer is an error."""
    bench.world.broken = {f"read {NODE_A}": CarrierGone("a has ended")}
    carriers = [Carrier.parse(NODE_A), Carrier.parse(NODE_B)]
    assert drive(read_there(bench.world, carriers)) == ({NODE_B: {"holds": {}}}, "a has ended")
    assert drive(read_there(bench.world, carriers[1:])) == ({NODE_B: {"holds": {}}}, "")
    bench.world.broken = {f"read {NODE_A}": unreachable()}
    with pytest.raises(WorldError):
        drive(read_there(bench.world, carriers))


def test_a_node_that_ended_by_itself_is_named() -> None:
    """With how it ended; one that runs or is held down is not it."""
    readings = {NODE_A: {"holds": {}, "state": "running"}, NODE_B: {"holds": {}, "state": "dead", "exit": -9}}
    assert dead_node(readings) == "node:b has ended (-9)"
    assert dead_node({NODE_A: {"holds": {}, "state": "running"}}) == dead_node({}) == ""


@pytest.mark.parametrize(
    ("error", "ended"), [(None, ""), (CarrierGone("the proxy has ended"), "the proxy has ended"), (unreachable(), "")]
)
def test_one_link_stands_for_all(bench: Bench, error: Exception | None, ended: str) -> None:
    """What carries the links has ended only when that is certain: one that does not answer may be slow."""
    link = f"read link:{bench.world.spec.links()[0]}"
    bench.world.broken = {} if error is None else {link: error}
    assert drive(gone_with_links(bench.world)) == ended
    assert bench.world.calls == [link]


def record_of(bench: Bench, baseline: Mapping[str, Any], *carriers: str) -> FaultRecord:
    """The row of a fault that was put in place and released, with what was seen before it."""
    applied = drive(bench.life().inject("cut", fake(*carriers), patience_s=0))
    for state in ("reverting", "reverted"):
        bench.ledger.advance(applied.fault_id, state)
    bench.world.carriers.clear()
    row = bench.ledger.fault(applied.fault_id)
    row.baseline.update(baseline)  # type: ignore[attr-defined]  # a dict as it was read
    return row


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        (Observation("unclear", "1 of 2 run it"), True),
        (Observation("bitten", "1 of 2 run it"), False),
        (Observation("unclear", "2 of 2 run it"), False),
    ],
)
def test_a_look_is_as_before_word_for_word(bench: Bench, seen: Observation, same: bool) -> None:
    """In state and evidence; what could not be seen either time is no evidence."""
    row = record_of(bench, {"looked": "unclear", "evidence": "1 of 2 run it"})
    assert looks_as_before(row, seen) is same
    blind = record_of(bench, {"looked": "unclear", "evidence": f"{BLIND}slow"})
    assert not looks_as_before(blind, Observation("unclear", f"{BLIND}slow"))


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (None, "healed", "a look cannot tell more"),
        (Lasting(on=(NODE_A,)), "healed", "a look cannot tell more"),
        (fake(NODE_A), "healed", "effects [False]"),
        (
            Hidden(on=(NODE_A,), ending=Observation("bitten", "still down")),
            "not-yet",
            "released, yet its effect stays: still down",
        ),
        (Hidden(on=(NODE_A,), ending=KeyError("zone")), "healed", "no carrier holds it any more; its own look failed"),
        (Hidden(on=(NODE_A,), ending=CarrierGone("b ended")), "healed", "a look cannot tell more: b ended"),
        (Hidden(on=(NODE_A,), ending=unreachable()), "not-yet", "its effect stays: it could not be looked at"),
    ],
)
def test_what_one_look_after_a_release_proves(bench: Bench, fault: FakeFault | None, state: str, words: str) -> None:
    """Absent is healed; so is what no look can tell more of. What still shows, or cannot be seen just now, is not yet."""
    row = record_of(bench, {}, NODE_A)
    found = drive(heal_look(bench.world, bench.ledger, row, fault))
    assert (found.state, words in found.evidence) == (state, True), found


def test_a_hold_that_is_still_there_is_named(bench: Bench) -> None:
    """By its carriers; whatever a look says."""
    row = record_of(bench, {}, NODE_A, NODE_B)
    bench.world.carriers = {NODE_B: {row.id: {}}, NODE_A: {"another": {}}}
    assert drive(heal_look(bench.world, bench.ledger, row, fake())).evidence == "still held on node:b"


def test_carriers_that_cannot_be_read_wait_for_the_faults_beside(bench: Bench) -> None:
    """A killed node may be the reason; without another fault it is looked at again."""
    row = record_of(bench, {}, NODE_A)
    bench.world.broken = {f"read {NODE_A}": unreachable()}
    assert drive(heal_look(bench.world, bench.ledger, row, fake())).state == "not-yet"
    drive(bench.life().inject("other", fake(NODE_B), patience_s=0))
    assert drive(heal_look(bench.world, bench.ledger, row, fake())).state == "later"


def test_an_effect_that_stays_has_other_reasons_in_this_order(bench: Bench) -> None:
    """A foreign hold is left alone and ends the wait; a fault of the same stack makes it wait."""
    row = record_of(bench, {}, NODE_A)
    bench.world.carriers = {NODE_A: {"someone-else": {}}}
    found = drive(heal_look(bench.world, bench.ledger, row, fake()))
    assert (found.state, found.evidence) == ("healed", "released; held by others and left alone: node:a: someone-else")
    drive(bench.life().inject("other", fake(NODE_B), patience_s=0))
    assert drive(heal_look(bench.world, bench.ledger, row, fake())).state == "later"


def test_foreign_is_what_the_ledger_does_not_know(bench: Bench) -> None:
    """Among the holds, and what the carrier reports as foreign; of this stack's faults also those that are closed."""
    row = record_of(bench, {}, NODE_A)
    readings = {NODE_A: {"holds": {row.id: {}, "x": {}}, "foreign": ["toxic y"]}, NODE_B: {"holds": {}}}
    assert foreign_holds(bench.ledger, "s", readings) == ("node:a: x", "node:a: toxic y")
