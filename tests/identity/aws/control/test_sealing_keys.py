"""Sealing keys are made a day ahead: whoever is cut off at any moment can go on for a day, with keys that all others know."""

from __future__ import annotations

from itertools import count

import pytest

from brownout.identity.aws.control.sealing_keys import AHEAD_S, EVERY_S, HOUR_S, SEALS_S, renew_sealing_keys
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.settings import SealingKey
from brownout.identity.aws.records.tables import Tables

_NUMBERS = count()


def renewed(tables: Tables, now_s: float) -> Tables:
    tx = Transaction(tables, "1", now_s=now_s, new_uuid=lambda: f"{next(_NUMBERS):08d}", regions={})
    renew_sealing_keys(tx)
    return tables.with_changes(tx.changes)


def keys(tables: Tables) -> list[SealingKey]:
    return sorted(tables.table(SealingKey).values(), key=lambda key: key.from_s)


def sealing_at(tables: Tables, now_s: float) -> list[SealingKey]:
    return [key for key in keys(tables) if key.from_s <= now_s < key.until_s]


@pytest.mark.parametrize("step_s", [1.0, 600.0, HOUR_S, 5 * HOUR_S])
def test_a_cut_at_any_moment_leaves_keys_for_a_day(step_s: float) -> None:
    """At every moment what is known has a key in use for each of the next 24 hours, which opens long enough."""
    tables, now_s = Tables({}), 1_000_000.0
    for _ in range(min(int(240 * HOUR_S / step_s), 400)):
        tables = renewed(tables, now_s)
        for hour in range(25):
            assert sealing_at(tables, now_s + hour * HOUR_S)
        assert all(key.opens_until_s - key.until_s == 36 * HOUR_S for key in keys(tables))
        now_s += step_s


def test_a_key_is_known_a_day_before_its_time() -> None:
    """But for those of the beginning, every key was made at least 24 hours before it is used."""
    tables, made_s = Tables({}), dict[str, float]()
    for hour in range(240):
        tables = renewed(tables, hour * HOUR_S)
        for key in keys(tables):
            made_s.setdefault(key.key_id, hour * HOUR_S)
    later = [key for key in keys(tables) if made_s[key.key_id] > 0]
    assert later
    assert all(key.from_s - made_s[key.key_id] >= AHEAD_S - HOUR_S for key in later)
    assert len({key.key for key in keys(tables)}) == len(keys(tables))


def test_keys_that_open_nothing_are_taken_away() -> None:
    """However long it goes on, there are only some keys."""
    tables = Tables({})
    for hour in range(1000):
        tables = renewed(tables, hour * HOUR_S)
        assert len(keys(tables)) <= (AHEAD_S + SEALS_S + 36 * HOUR_S) / EVERY_S + 1


def test_time_may_jump() -> None:
    """After a month without renewal a key is in use at once."""
    tables = renewed(renewed(Tables({}), 0.0), 30 * 24 * HOUR_S)
    assert sealing_at(tables, 30 * 24 * HOUR_S)
    assert keys(renewed(tables, 30 * 24 * HOUR_S)) == keys(tables), "twice at one time is once"
