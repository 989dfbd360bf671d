"""Crowds are as large as is wanted, and hold nobody twice."""

from __future__ import annotations

from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.crowd import crowd
from brownout.identity.aws.records.principals import Role, User
from brownout.identity.aws.records.tables import Tables


def test_a_crowd_has_that_many_users_and_roles() -> None:
    """All have names, ids and ARNs of their own, and may do nothing; roles trust who may be trusted."""
    tables = Tables.of([*crowd("123456789012", users=100, roles=20), *crowd("123456789012", users=5, first=100)])
    users, roles = tables.table(User), tables.table(Role)
    assert (len(users), len(roles)) == (105, 20)
    assert len({user.user_id for user in users.values()}) == len({user.arn for user in users.values()}) == 105
    assert not any(user.inline or user.attached or user.groups for user in users.values())
    parse_document(roles["crowd-role-3"].trust, "trust")
