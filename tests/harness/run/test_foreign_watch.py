"""The gate `foreign`: what others did to a run's stack is named, and a watch that saw nothing at all has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent
from brownout.harness.run.foreign_watch import ForeignWatch
from brownout.harness.world import Carrier, Survey

NODE = Carrier("node", "a")


class _Journal(SimpleNamespace):
    """Keeps what is recorded."""

    def __init__(self) -> None:
        super().__init__(events=[], gates=[])

    def event(self, kind: str, what: str, *, detail: dict[str, Any]) -> None:
        self.events.append((kind, what, detail["text"]))

    def gate(self, name: str, *, passed: bool, reason: str) -> None:
        self.gates.append((name, passed, reason))


class _Seen:
    """A world of which a survey sees `sight`, one after the other, the last for ever."""

    def __init__(self, *sights: Survey | WorldError) -> None:
        self._sights = list(sights)

    def now(self) -> float:
        return 7.0

    async def survey(self, *, switches: bool) -> Survey:
        assert not switches, "a node that is measured is not asked"
        sight = self._sights.pop(0) if len(self._sights) > 1 else self._sights[0]
        if isinstance(sight, WorldError):
            raise sight
        return sight


def _watched(*sights: Survey | WorldError, hold: Callable[[str], None] = lambda fault_id: None) -> _Journal:
    journal = _Journal()

    async def watch() -> None:
        with Ledger(":memory:") as ledger:
            ledger.add_stack("s", folder=Path("/nowhere"), world="file", run_owned=True)
            hold(ledger.intend("s", 1, Intent("cut", "fake", {}, (NODE,), {}, 1e12)).id)
            seen = ForeignWatch(_Seen(*sights), ledger, "s", journal)  # type: ignore[arg-type]  # it is no whole world
            seen.start()
            await asyncio.sleep(0)
            await seen.stop()

    asyncio.run(watch())
    return journal


def test_holds_of_this_run_are_not_foreign() -> None:
    """A hold that the ledger has for the stack is the run's own."""
    ours: dict[str, Any] = {}
    journal = _watched(Survey({NODE: ours}), hold=lambda fault_id: ours.update({fault_id: {}}))
    ((name, passed, reason),) = journal.gates
    assert (name, passed) == ("foreign", True)
    assert "no other program" in reason


@pytest.mark.parametrize(
    ("sight", "named"),
    [
        (Survey({}, foreign=("link:a->b: toxic evil (latency, downstream)",)), "toxic evil"),
        (Survey({NODE: {"somebody": {}}}), "node:a is held by somebody"),
    ],
)
def test_what_others_did_fails_the_gate_though_it_is_gone_again(sight: Survey, named: str) -> None:
    """Each foreign thing is recorded once, when it is first seen, and the gate names it."""
    journal = _watched(sight, Survey({}))
    ((_, passed, reason),) = journal.gates
    assert not passed
    assert named in reason
    assert [kind for kind, *_ in journal.events] == ["stack"]


def test_a_watch_that_could_not_look_has_failed() -> None:
    """A check that never ran is not a check that passed."""
    ((_, passed, reason),) = _watched(WorldError("nothing answers")).gates
    assert (passed, reason) == (False, "links and nodes could not be looked at: nothing answers")


@pytest.mark.parametrize(
    ("many", "told"), [(8, "a-8"), (9, "a-8, and 1 more"), (11, "a-8, and 3 more")], ids=["all", "one more", "three more"]
)
def test_of_many_foreign_things_eight_are_named(many: int, told: str) -> None:
    """The others are counted; each is in the record."""
    journal = _watched(Survey({}, foreign=tuple(f"a-{number + 1}" for number in range(many))))
    ((_, _, reason),) = journal.gates
    assert reason == f"not done by this run: {'; '.join(f'a-{number}' for number in range(1, 8))}; {told}"
    assert len(journal.events) == many


def test_the_gate_says_in_how_many_looks_nothing_was_seen() -> None:
    """A look that failed is none; the last is taken when the watch ends."""
    ((_, passed, reason),) = _watched(WorldError("it is slow"), Survey({})).gates
    assert (passed, reason) == (True, "no other program changed the stack's links and nodes, in 1 looks at them")
    ((_, _, reason),) = _watched(Survey({})).gates
    assert reason.endswith("in 2 looks at them")


def test_what_is_foreign_is_told_at_the_time_at_which_it_was_first_true() -> None:
    """Holds of a carrier in their order, carrier by carrier; a watch that never began records nothing."""
    other = Carrier("link", "x->y")
    journal = _watched(Survey({NODE: {"b": {}, "a": {}}, other: {"c": {}}}))
    assert [text for *_, text in journal.events] == ["link:x->y is held by c", "node:a is held by b", "node:a is held by a"]
    never = _Journal()
    with Ledger(":memory:") as ledger:
        asyncio.run(ForeignWatch(_Seen(Survey({})), ledger, "s", never).stop())  # type: ignore[arg-type]  # it is no whole world
    assert never.gates == []


def test_a_watch_ends_once_and_with_its_last_look_alone() -> None:
    """A look that is under way when the watch is stopped has ended before the last begins; a second stop records nothing."""
    order: list[str] = []

    class Slow(_Seen):
        async def survey(self, *, switches: bool) -> Survey:
            order.append("begins")
            try:
                await asyncio.sleep(0 if order.count("begins") > 1 else 60)
                return await super().survey(switches=switches)
            finally:
                order.append("ends")

    async def watch(ledger: Ledger) -> None:
        seen = ForeignWatch(Slow(Survey({})), ledger, "s", journal)  # type: ignore[arg-type]  # it is no whole world
        seen.start()
        await asyncio.sleep(0)
        await seen.stop()
        await seen.stop()

    journal = _Journal()
    with Ledger(":memory:") as ledger:
        asyncio.run(watch(ledger))
    assert order == ["begins", "ends"] * 2
    assert len(journal.gates) == 1
