"""What a directory without a disk takes over from replicas, and what it leaves."""

from __future__ import annotations

from itertools import count
from typing import Any

from brownout.identity.aws.control.learning import take_over
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import INACTIVE, AccessKey, LoginProfile, MfaDevice, Secret, UserCredentials
from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import Group, Role, User
from brownout.identity.aws.records.published import (
    LearnedKey,
    MfaSeed,
    PublishedAccount,
    PublishedKey,
    PublishedLogin,
    RegionalLogin,
)
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.settings import Lineage, SealingKey
from brownout.identity.aws.records.tables import Tables

POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"
OLD = SealingKey("old", b"k", 0.0, 1.0, 2.0)


def user(name: str, **more: Any) -> User:
    return User(name, f"id {name}", f"arn {name}", 0.0, **more)


def published(region: str, version: int, *records: AccountRecord) -> PublishedAccount:
    return PublishedAccount("123456789012", region, version, ("lost",), Tables.of(records))


def taken_over(own: list[AccountRecord], initial: list[AccountRecord], *lost: PublishedAccount) -> Tables:
    tables, numbers = Tables.of([Lineage(("new",)), *own]), count()
    tx = Transaction(tables, "123456789012", now_s=9.0, new_uuid=lambda: str(next(numbers)), regions={})
    take_over(tx, Tables.of(initial), lost)
    return tables.with_changes(tx.changes)


def test_what_was_changed_since_is_newer() -> None:
    """Rows that are as they began are replaced or deleted as the lost account had it; others stay."""
    begun = [user("changed-there"), user("deleted-there"), user("changed-here"), user("deleted-here")]
    own: list[AccountRecord] = [begun[0], begun[1], user("changed-here", path="/here/"), user("made-here")]
    newest = published("sydney", 9, user("changed-there", path="/there/"), begun[2], begun[3], user("made-there"))
    found = taken_over(own, list(begun), newest).table(User)
    assert set(found) == {"changed-there", "changed-here", "made-here", "made-there"}
    assert (found["changed-there"].path, found["changed-here"].path) == ("/there/", "/here/")


def test_both_lines_are_known_and_sealing_keys_open_on() -> None:
    """The account goes back to the lost disk and to this one, and tokens that were sealed before can be opened."""
    found = taken_over([SealingKey("new", b"n", 0.0, 1.0, 2.0)], [], published("sydney", 9, OLD))
    assert found.table(Lineage)[""].lines == ("lost@9", "new")
    assert set(found.table(SealingKey)) == {"old", "new"}


def test_counts_and_lists_are_made_anew() -> None:
    """Uses of policies, members of groups and credentials of users follow from what was learned."""
    device = MfaDevice("serial", 0.0, user_name="a", enabled_s=1.0)
    newest = published(
        "sydney",
        9,
        user("a", groups=("G",), attached=(POLICY,), boundary=POLICY),
        Group("G", "id", "arn", 0.0, members=1),
        Role("r", "id", "arn", 0.0, "{}", attached=(POLICY,)),
        PublishedKey("AKIA", "a", 1, {"us-east-1": b"k"}),
        device,
        MfaSeed("serial", b"\x01\x02"),
    )
    found = taken_over([], [], newest)
    assert found.table(PolicyUse)[POLICY] == PolicyUse(POLICY, attached=2, as_boundary=1)
    assert found.table(UserCredentials)["a"] == UserCredentials("a", ("AKIA",), ("serial",))
    assert found.table(Secret)["serial"].value == "0102"
    assert found.table(Group)["g"].members == 1


def test_an_older_replica_brings_nothing_back() -> None:
    """A region whose replicas lagged adds its keys of what the newest account has, and no key or password that is gone."""
    key = PublishedKey("AKIA", "a", 1, {"ap-southeast-4": b"k"})
    gone = PublishedKey("GONE", "a", 1, {"ap-southeast-4": b"g"})
    older = published(
        "melbourne",
        5,
        user("a"),
        key,
        gone,
        PublishedLogin("a", b"s", b"d", 1, changed_s=1.0),
        PublishedLogin("b", b"s", b"d", 1),
    )
    newest = published(
        "sydney",
        9,
        user("a"),
        PublishedKey("AKIA", "a", 1, {"ap-southeast-2": b"k"}, INACTIVE),
        PublishedLogin("a", b"t", b"e", 1, changed_s=2.0),
    )
    found = taken_over([], [], older, newest)
    assert {key.table_key: key.status for key in found.table(AccessKey).values()} == {"AKIA": INACTIVE}
    assert set(found.table(LearnedKey)) == {"melbourne/AKIA", "sydney/AKIA"}
    assert set(found.table(RegionalLogin)) == {"sydney/a"}
    assert set(found.table(LoginProfile)) == {"a"}


def test_keys_of_deleted_users_do_not_stay() -> None:
    """A user that began here and had been deleted before is gone with the key that this life made for it."""
    own: list[AccountRecord] = [
        user("gone"),
        AccessKey("AKIN", "gone", 0.0),
        Secret("AKIN", "hush"),
        Secret("first-key/gone", "AKIN hush"),
        UserCredentials("gone", ("AKIN",)),
    ]
    found = taken_over(own, [user("gone")], published("sydney", 9, user("a")))
    assert set(found.table(User)) == {"a"}
    assert not found.table(AccessKey)
    assert not found.table(Secret)
