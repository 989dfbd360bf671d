"""A transaction sees its own changes and keeps them to itself."""

from __future__ import annotations

import re
from itertools import count

from brownout.identity.aws import ids
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.principals import Group, User
from brownout.identity.aws.records.tables import Tables


def user(name: str) -> User:
    return User(name, "id", "arn", 0.0)


def begun(tables: Tables) -> Transaction:
    numbers = count()
    return Transaction(tables, "123456789012", now_s=1.0, new_uuid=lambda: f"uuid {next(numbers)}", regions={})


def test_it_sees_what_it_changed() -> None:
    """Puts and deletes are seen by `get` and by `table`, and the account is as it was."""
    tables = Tables.of([user("Ann"), user("Bob")])
    tx = begun(tables)
    tx.put(user("Cy"), user("BOB"))
    tx.delete(user("Ann"))
    assert tx.get(User, "ann") is None
    found = tx.get(User, "bob")
    assert found is not None
    assert found.name == "BOB"
    assert tx.table(User).sorted_keys == ("bob", "cy")
    assert tables.table(User).sorted_keys == ("ann", "bob")
    assert len(tx.table(Group)) == 0
    assert set(tx.changes[User]) == {"ann", "bob", "cy"}


def test_ids_and_secrets_are_fresh() -> None:
    """Each id and secret is another one, and access keys name their account."""
    tx = begun(Tables({}))
    assert re.fullmatch(r"AIDA\w{17}", tx.new_id(ids.USER))
    assert ids.account_of(tx.new_id(ids.ACCESS_KEY)) == "123456789012"
    assert tx.new_id(ids.USER) != tx.new_id(ids.USER)
    assert tx.secret() != tx.secret()
