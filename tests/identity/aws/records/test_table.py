"""Tables never change, share what they have in common, and agree with a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.table import MOST_PARTS, ROWS_PER_PART, RecordTable

Steps = list[dict[str, bool]]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.dictionaries(st.integers(0, 300).map(lambda number: f"u{number}"), st.booleans(), max_size=90), max_size=12
)


def user(name: str) -> User:
    return User(name, "id", "arn", 0.0)


@given(STEPS)
def test_a_table_agrees_with_a_dictionary(steps: Steps) -> None:
    """After any changes a table has the rows that a dictionary has, and the tables before are as they were."""
    expected: dict[str, User] = {}
    table: RecordTable[User] = RecordTable()
    past: list[tuple[RecordTable[User], dict[str, User]]] = []
    for step in steps:
        past.append((table, dict(expected)))
        changes = {name: user(name) if is_put else None for name, is_put in step.items()}
        before = table
        table = table.with_changes(changes)
        for name, record in changes.items():
            expected.pop(name, None)
            if record is not None:
                expected[name] = record
        touched = {name for name in changes if before.get(name) is not table.get(name)}
        assert set(table.changed_keys(before)) == touched
    past.append((table, expected))
    for known, rows in past:
        assert dict(known) == rows
        assert {record.name: record for record in known.values()} == rows
        assert len(known) == len(rows)
        assert known.sorted_keys == tuple(sorted(rows))
        assert known == RecordTable.of(rows.values())


def test_a_change_copies_little() -> None:
    """In a table of many rows all parts but the changed one are shared."""
    table = RecordTable.of(user(f"u{number}") for number in range(20_000))
    changed = table.with_changes({"u5": user("u5")})
    shared = sum(mine is theirs for mine, theirs in zip(table._parts, changed._parts, strict=True))
    assert shared == len(table._parts) - 1
    assert list(changed.changed_keys(table)) == ["u5"]


def test_parts_grow_with_the_rows() -> None:
    """Parts stay small as rows come one by one, and there are never more than the limit."""
    table: RecordTable[User] = RecordTable()
    for number in range(1000):
        table = table.with_changes({f"u{number}": user(f"u{number}")})
    assert max(map(len, table._parts)) < 3 * ROWS_PER_PART
    assert len(table._parts) <= MOST_PARTS


def test_tables_differ_by_their_rows() -> None:
    """Equality is that of the rows, not of how they are divided; a table is no other thing."""
    assert RecordTable.of([user("a")]) != RecordTable.of([user("b")])
    assert RecordTable.of([user("a")]) != RecordTable.of([User("a", "other", "arn", 0.0)])
    assert RecordTable() != 3
