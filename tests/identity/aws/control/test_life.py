"""An account begins, is kept up by time, and is given back as it began."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.control.credentials import forget_access_key
from brownout.identity.aws.control.life import Upkeep, begin_account, credentials_of, keep_up, reset_account
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import AccessKey, Secret, UserCredentials
from brownout.identity.aws.records.kinds import KINDS
from brownout.identity.aws.records.principals import Group, LastUsed, User
from brownout.identity.aws.records.seed import initial_account
from brownout.identity.aws.records.settings import AccountSettings, Lineage, SealingKey
from brownout.identity.aws.records.tables import Tables

DAY_S = 86_400.0
STACK = build_stack(seed=3)
_NUMBERS = count()


def begun(tables: Tables, now_s: float = 0.0) -> Transaction:
    return Transaction(tables, "123456789012", now_s=now_s, new_uuid=lambda: f"uuid-{next(_NUMBERS)}", regions={"sydney": "x"})


def beginning() -> Tables:
    tx = begun(Tables({}), 10 * DAY_S)
    begin_account(tx, initial_account(STACK))
    return Tables({}).with_changes(tx.changes)


def test_an_account_begins_with_keys_and_a_line() -> None:
    """The first users have a key each, sealing keys are there, and the days of keys begin yesterday."""
    tables = beginning()
    assert {key.user_name for key in tables.table(AccessKey).values()} == {"admin", "caller"}
    assert len(tables.table(Lineage)[""].lines) == 1
    assert tables.table(SealingKey)
    assert tables.table(AccountSettings)[""].key_first_day == 9
    assert beginning().table(Lineage) != tables.table(Lineage), "each disk has a line of its own"


def test_time_is_kept_up_with() -> None:
    """A day later the days have moved on; at the same time nothing changes; without seals no key is made."""
    tables = beginning()
    same = begun(tables, 10 * DAY_S)
    keep_up(same, seals=True)
    assert not same.changes
    later = begun(tables, 12 * DAY_S)
    keep_up(later, seals=False)
    assert set(later.changes) == {AccountSettings}
    settings = later.get(AccountSettings, "")
    assert settings is not None
    assert settings.key_first_day == 11


@pytest.mark.parametrize("step_s", [15.0, 600.0, 3600.0, 5 * 3600.0])
def test_upkeep_looks_whenever_something_is_due(step_s: float) -> None:
    """Over days, with a clock that is set back and with keys that others change: where it does not look nothing is due."""
    chance, tables, upkeep, now_s, looks = Random(1), beginning(), Upkeep(), 10 * DAY_S, 0
    for _ in range(600):
        seals = chance.random() < 0.95
        tx = begun(tables, now_s)
        if upkeep.is_due(tx, seals=seals):
            looks += 1
            keep_up(tx, seals=seals)
            upkeep.note(tx, seals=seals)
        else:
            keep_up(tx, seals=seals)
            assert not tx.changes, now_s
        tables = tables.with_changes(tx.changes)
        if chance.random() < 0.01:
            gone = next(iter(tables.table(SealingKey)))
            tables = tables.with_changes({chance.choice([SealingKey, LastUsed]): {gone: None}})
        now_s += chance.choice((1, 1, 1, 1, 1, 1, 1, -2)) * step_s
    assert looks < 600


def test_upkeep_by_the_clocks_of_clients_is_always_due() -> None:
    """Their days are not the stack's."""
    upkeep, tables = Upkeep(), beginning()
    for client_now_s in (None, 10 * DAY_S, 11 * DAY_S):
        tx = Transaction(tables, "1", now_s=10 * DAY_S, new_uuid=str, regions={}, client_now_s=client_now_s)
        assert upkeep.is_due(tx, seals=True)
        upkeep.note(tx, seals=True)


def test_a_reset_gives_back_what_was_and_keeps_who_it_is() -> None:
    """After any changes all kinds are as they began, but for sealing keys and lines, which stay as they are."""
    tables = beginning()
    tx = begun(tables, 10 * DAY_S)
    tx.put(Group("g", "id", "arn", 0.0), SealingKey("later", b"k", 0.0, 1.0, 2.0), User("admin", "x", "y", 1.0, "/z/"))
    tx.delete(tables.table(User)["caller"])
    for key in tables.table(AccessKey).values():
        forget_access_key(tx, key)
    changed = tables.with_changes(tx.changes)
    undo = begun(changed, 10 * DAY_S)
    reset_account(undo, initial_account(STACK))
    after = changed.with_changes(undo.changes)
    for kind in KINDS:
        expected: Any = changed if kind in (SealingKey, Lineage) else tables
        assert after.table(kind) == expected.table(kind), kind


def test_credentials_prefer_what_clients_were_told() -> None:
    """The first key while it is active, else another one with a secret, else a new one; none for a stranger."""
    tables = beginning()
    tx = begun(tables)
    first = credentials_of(tx, "admin")
    assert first == credentials_of(tx, "ADMIN")
    assert not tx.changes
    forget_access_key(tx, tables.table(AccessKey)[first[0]])
    second = credentials_of(tx, "admin")
    assert second != first
    assert credentials_of(tx, "admin") == second
    owned, secret = tx.get(UserCredentials, "admin"), tx.get(Secret, second[0])
    assert owned is not None
    assert secret is not None
    assert (owned.access_keys, secret.value) == ((second[0],), second[1])
    with pytest.raises(KeyError):
        credentials_of(tx, "nobody")
