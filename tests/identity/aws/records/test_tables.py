"""All records of an account as one value."""

from __future__ import annotations

from brownout.identity.aws.records.principals import Group, Role, User
from brownout.identity.aws.records.table import RecordTable
from brownout.identity.aws.records.tables import Tables


def user(name: str) -> User:
    return User(name, "id", "arn", 0.0)


GROUP = Group("g", "id", "arn", 0.0)


def test_each_kind_has_a_table() -> None:
    """Records are sorted out by kind; a kind without any has an empty table."""
    tables = Tables.of([user("a"), GROUP, user("b")])
    assert set(tables.table(User)) == {"a", "b"}
    assert tables.table(Group)["g"] is GROUP
    assert len(tables.table(Role)) == 0
    assert set(tables) == {User, Group}


def test_a_change_leaves_other_tables_and_the_value_before_alone() -> None:
    """Changed kinds get a new table, others keep theirs, and the value before is as it was."""
    before = Tables.of([user("a"), GROUP])
    after = before.with_changes({User: {"a": None, "b": user("b")}})
    assert set(before.table(User)) == {"a"}
    assert set(after.table(User)) == {"b"}
    assert after.table(Group) is before.table(Group)


def test_kinds_are_chosen_and_replaced() -> None:
    """`only` leaves the others away, `with_tables` puts whole tables in place."""
    tables = Tables.of([user("a"), GROUP])
    assert set(tables.only((Group, Role))) == {Group}
    replaced = tables.with_tables({User: RecordTable.of([user("z")])})
    assert set(replaced.table(User)) == {"z"}
    assert replaced.table(Group) is tables.table(Group)
