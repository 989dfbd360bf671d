"""Whom the directory tells of is told anew once any of those who are told changes, and at each version."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.control.account import AccountState
from brownout.identity.aws.control.revocations import ToldPrincipals, principals_of
from brownout.identity.aws.records.credentials import AccessKey, Revocation
from brownout.identity.aws.records.principals import LastUsed, Role, User
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.tables import Tables

USER, ROLE, KEY = User("a", "AIDA1", "arn:a", 0.0), Role("r", "AROA1", "arn:r", 0.0, "{}"), AccessKey("AKIA1", "a", 0.0)
CHANGES: tuple[AccountRecord, ...] = (
    LastUsed("AKIA1", 1.0, "ap-southeast-2", "sts"),
    replace(USER, arn="arn:b"),
    LastUsed("AKIA1", 2.0, "ap-southeast-2", "sts"),
    replace(ROLE, arn="arn:s"),
    Revocation("fault-1", "a", ""),
    replace(KEY, status="Inactive"),
    User("b", "AIDA2", "arn:c", 0.0),
)


def test_what_is_told_is_what_the_state_has() -> None:
    """After each change, whether or not it concerns what is told, and after each again when it is undone."""
    told, tables = ToldPrincipals(), Tables.of([USER, ROLE, KEY])
    states = [tables]
    for change in CHANGES:
        tables = tables.with_changes({type(change): {change.table_key: change}})
        states.append(tables)
    for version, known in enumerate((*states, *states[::-1])):
        state = AccountState(version, known)
        for _ in range(2):
            assert told.of(state) == principals_of(state)
