"""Holds of one switch force answers: the oldest that fits, as often as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.identity.core.holds import HoldSet
from brownout.identity.core.nodes.forced_answers import ForcedAnswer, ForcedAnswers


class Disk:
    """The only port that holds need."""

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None: ...


def forced_by(*values: Mapping[str, Any]) -> tuple[HoldSet, ForcedAnswers]:
    """A set with one hold for each value, oldest first, by the ids f0, f1 ..."""
    holds = HoldSet(Disk())  # type: ignore[arg-type]  # holds need no other port
    forced = ForcedAnswers(holds, "say")
    holds.switches = {"say": forced.switch, "other": forced.switch}
    for number, value in enumerate(values):
        asyncio.run(holds.put(f"f{number}", str(value.get("switch", "say")), value))
    return holds, forced


def always(value: Mapping[str, Any]) -> bool:
    return True


def test_the_oldest_hold_that_fits_decides() -> None:
    """Of two holds that fit the older answers; one that does not fit is passed over."""
    _, forced = forced_by({"status": 500, "who": "a"}, {"status": 403}, {"status": 404})
    assert forced.take(lambda value: value.get("who") in (None, "a")) == ForcedAnswer(500)
    assert forced.take(lambda value: value.get("who") in (None, "b")) == ForcedAnswer(403)


def test_a_hold_answers_as_often_as_it_says() -> None:
    """After its times a hold answers no more, and releasing it forgets the count."""
    holds, forced = forced_by({"status": 429, "times": 2, "retry_after_s": 3})
    told = [forced.take(always) for _ in range(3)]
    assert told == [ForcedAnswer(429, retry_after_s=3.0)] * 2 + [None]
    asyncio.run(holds.release("f0"))
    asyncio.run(holds.put("f0", "say", {"status": 429, "times": 2}))
    assert forced.take(always) == ForcedAnswer(429)


def test_holds_of_other_switches_do_not_answer() -> None:
    """Only holds of its own switch force an answer."""
    _, forced = forced_by({"status": 500, "switch": "other"})
    assert forced.take(always) is None


def test_bodies_and_texts_are_handed_on() -> None:
    """What a hold wants said comes with the answer as it was given."""
    _, forced = forced_by({"status": 200, "body": {"Code": "Success"}}, {"status": 200, "text": "half"})
    assert forced.take(lambda value: "body" in value) == ForcedAnswer(200, {"Code": "Success"})
    assert forced.take(lambda value: "text" in value) == ForcedAnswer(200, text="half")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"status": 199},
        {"status": 600},
        {"status": "many"},
        {"status": 200, "body": [1]},
        {"status": 200, "text": 5},
        {"status": 200, "times": -1},
        {"status": 200, "retry_after_s": -1},
    ],
)
def test_a_value_that_no_answer_can_be_made_of_is_refused(value: Mapping[str, Any]) -> None:
    """A status that HTTP has not, a body that is no object, negative counts: KeyError or ValueError, and no hold."""
    holds, forced = forced_by()
    with pytest.raises((KeyError, ValueError)):
        asyncio.run(holds.put("f", "say", value))
    assert "f" not in holds
    assert forced.take(always) is None
