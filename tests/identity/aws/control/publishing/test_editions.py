"""A region's edition follows the account row by row, and is what it would be if it were made anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.auth import region_keys
from brownout.identity.aws.control.account import AccountState
from brownout.identity.aws.control.publishing.editions import RegionalEdition
from brownout.identity.aws.records.credentials import INACTIVE, AccessKey, MfaDevice, Secret
from brownout.identity.aws.records.principals import LastUsed, User
from brownout.identity.aws.records.published import PUBLISHED, LearnedKey, PublishedKey, PublishedLogin, RegionalLogin
from brownout.identity.aws.records.settings import AccountSettings, Lineage
from brownout.identity.aws.records.tables import Changes, Tables

SCOPES = ("ap-southeast-2", "us-east-1")
NAMES = ("a", "b", "c")


def edition(horizon_days: int = 3) -> RegionalEdition:
    return RegionalEdition("123456789012", "sydney", SCOPES, horizon_days)


def change(kind: str, name: str, number: int) -> Changes:
    """One of the changes that an edition has to follow; number 0 deletes."""
    made: dict[str, Any] = {
        "key": (AccessKey, name, AccessKey(name, "u", 0.0, "Active" if number % 2 else INACTIVE)),
        "secret": (Secret, name, Secret(name, f"{number:02x}" * 20)),
        "login": (RegionalLogin, f"sydney/{name}", RegionalLogin("sydney", PublishedLogin(name, b"s", b"%d" % number, 1))),
        "other": (RegionalLogin, f"elsewhere/{name}", RegionalLogin("elsewhere", PublishedLogin(name, b"s", b"d", 1))),
        "device": (MfaDevice, f"mfa {name}", MfaDevice(f"mfa {name}", 0.0, user_name="u" if number % 2 else "")),
        "user": (User, name, User(name, "i", "arn", 0.0, f"/{number}/")),
        "day": (AccountSettings, "", AccountSettings(key_first_day=number)),
    }
    table, key, record = made[kind]
    changes: dict[Any, Any] = {table: {key: None if number == 0 and kind != "day" else record}}
    if kind == "secret":  # secrets come with what they are of
        changes = {Secret: {name: record}, AccessKey: {name: AccessKey(name, "u", float(number))}}
    elif kind == "device":
        changes[Secret] = {key: Secret(key, "0102")}
    return changes


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["key", "secret", "login", "other", "device", "user", "day"]),
        st.sampled_from(NAMES),
        st.integers(0, 6),
    ),
    max_size=25,
)


@given(STEPS)
def test_an_edition_that_followed_is_one_that_is_made_anew(steps: list[tuple[str, str, int]]) -> None:
    """After any changes the followed edition has the tables of a fresh one, but for secrets that were changed in place."""
    followed, tables = edition(), Tables({})
    for version, step in enumerate(steps, 1):
        tables = tables.with_changes(change(*step))
        state = AccountState(version, tables)
        found, fresh = followed.of(state), edition().of(state)
        for kind in PUBLISHED:
            if kind is PublishedKey:
                assert set(found.access_keys) == set(fresh.access_keys)
                assert {key.first_day for key in found.access_keys.values()} <= {found.settings.key_first_day}
            else:
                assert found.tables.table(kind) == fresh.tables.table(kind)


@pytest.mark.parametrize("moves", [(10, 11, 12), (10, 13, 14), (10, 40), (10, 9), (10, 10)])
def test_keys_move_on_with_the_days(moves: tuple[int, ...]) -> None:
    """Day by day, over several days, over more than the horizon and backwards: the keys are those of the days."""
    followed = edition()
    for version, first_day in enumerate(moves, 1):
        tables = Tables.of([AccountSettings(key_first_day=first_day), AccessKey("AKIA", "u", 0.0), Secret("AKIA", "hush")])
        key = followed.of(AccountState(version, tables)).access_keys["AKIA"]
        assert key.first_day == first_day
        assert key.region_keys == {scope: region_keys.horizon("hush", scope, first_day, 5) for scope in SCOPES}


def test_only_what_regions_are_sent_makes_another_edition() -> None:
    """The edition and its version stay while nothing changes that it is made from."""
    followed, tables = edition(), Tables.of([User("a", "i", "arn", 0.0), Lineage(("one",))])
    first = followed.of(AccountState(1, tables))
    used = tables.with_changes({LastUsed: {"AKIA": LastUsed("AKIA", 1.0, "r", "sts")}})
    assert followed.of(AccountState(2, used)) is first
    later = followed.of(AccountState(3, used.with_changes(change("user", "b", 1))))
    assert (first.version, later.version, later.lines) == (1, 3, ("one",))
    assert later.roles is first.roles


def test_a_key_whose_secret_was_lost_goes_on_as_it_was() -> None:
    """What a replica had of it is published to that region, with the state and user that it has now; other keys are not."""
    learned = PublishedKey("AKIA", "u", 7, {"us-east-1": b"k" * 64})
    tables = Tables.of([LearnedKey("sydney", learned), AccessKey("AKIA", "v", 0.0, INACTIVE), AccessKey("AKIB", "v", 0.0)])
    found = edition().of(AccountState(1, tables)).access_keys
    assert set(found) == {"AKIA"}
    assert (found["AKIA"].first_day, found["AKIA"].status, found["AKIA"].user_name) == (7, INACTIVE, "v")
    assert found["AKIA"].region_keys == learned.region_keys
