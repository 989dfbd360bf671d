"""Who survives an outage of 5.5 h, found from measurements."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from brownout.suites.clients.answers import AGES, OUTAGES
from brownout.suites.clients.records import ClientMeasurement
from brownout.suites.clients.survival import AT_THE_END, LAST_S, LIFE_S, PAST_HALF, survivals


def rows(requests: int, error: str = "", *, client: str = "go", ages: Sequence[str] = tuple(AGES)) -> list[ClientMeasurement]:
    """A client that makes so many requests in vain at each age, and ends like this."""
    return [
        ClientMeasurement(client, "1", answer.name, age, None if answer.refused else requests, 2.0, error, "2026-01-01")
        for answer in OUTAGES
        for age in ages
    ]


def test_a_client_that_goes_on_with_its_old_token_survives() -> None:
    """Of processes that ask for a new token after 12 h, 5.5 of 12 do so within the outage."""
    (found,) = survivals(rows(4))
    assert (found.survives, found.refreshes_s) == (True, LIFE_S / 2)
    assert found.asking_share == pytest.approx(5.5 / 12)
    assert set(found.stalls_s.values()) == {2.0}


def test_a_client_that_raises_does_not_survive() -> None:
    """After one of the answers is enough."""
    one = [row for row in rows(4) if row.answer != "refused"] + [row for row in rows(4, "Error") if row.answer == "refused"]
    (found,) = survivals(one)
    assert (found.survives, found.raises) == (False, frozenset({"refused"}))


def test_a_client_that_asks_only_at_the_end_of_a_token_raises_then() -> None:
    """It makes no request past the half-life, so fewer ask, and none of those has a token that is still good."""
    early, late = rows(0, ages=(PAST_HALF,)), rows(7, "Error", ages=(AT_THE_END,))
    (found,) = survivals([*early, *late])
    assert (found.survives, found.refreshes_s) == (False, LIFE_S - LAST_S)
    assert found.asking_share == pytest.approx(5.5 / (24 - LAST_S / 3600))


def test_a_client_that_keeps_no_token_asks_in_every_process() -> None:
    """Its measurements without a token are those that count."""
    (found,) = survivals(rows(1, "exit code 1", client="az-token", ages=("",)))
    assert (found.survives, found.asking_share) == (False, 1.0)


def test_a_client_that_was_not_measured_in_an_outage_is_left_out() -> None:
    """Nothing is made up."""
    assert survivals(rows(1)[:1]) == survivals(rows(1, "Error", ages=("",))) == ()
