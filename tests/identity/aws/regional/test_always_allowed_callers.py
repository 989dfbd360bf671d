"""Whose own policies decide alone, whatever a request says: that of users and roles, and of no session that is held to more."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.auth.caller import Caller, CallerKind, Session
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.regional.index import AccountIndex
from support.aws_roles import allow, document, role, trust, user
from support.simulated_aws import SimulatedAws

ACTION, RESOURCE = "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:a"
MANAGED = next(iter(aws_managed_policies()))


def caller_of(index: AccountIndex, kind: CallerKind, *, temporary: bool = True, **limits: Any) -> Caller:
    """A caller of that kind: `alice`, a session of hers, or one of the role `job`."""
    alice, job = index.account.users["alice"], index.account.roles["job"]
    made = (job.arn, job.role_id) if kind == "assumed-role" else (alice.arn, alice.user_id)
    session = Session("ASIA", "s", index.account.account_id, kind, *made, "name", 0.0, 1.0, "ap-southeast-2", **limits)
    caller = Caller.of_session(session, "ap-southeast-2", 0.0)
    return caller if temporary else caller._replace(session=None)


@pytest.mark.parametrize(
    ("kind", "limits", "expected"),
    [
        ("user", {"temporary": False}, True),
        ("user", {}, True),
        ("assumed-role", {}, True),
        ("federated-user", {}, False),  # who has none of its own policies may nothing
        ("root", {"temporary": False}, False),
        ("assumed-role", {"session_policies": (document(allow("s3:*")),)}, False),
        ("assumed-role", {"policy_arns": (MANAGED,)}, False),
        ("assumed-role", {"scopes": (document(allow("s3:*")),)}, False),
    ],
)
def test_who_may_always_do_what_the_own_policies_allow(
    aws: SimulatedAws, kind: CallerKind, limits: dict[str, Any], expected: bool
) -> None:
    """The same two policies for all of them, which allow it without a condition."""
    account, may = aws.maker.account_id, allow("secretsmanager:*")
    aws.maker.put(user(account, "alice", may), role(account, "job", trust({"AWS": account}), inline={"own": document(may)}))
    index = AccountIndex(aws.maker.account("sydney"))
    assert index.is_always_allowed(caller_of(index, kind, **limits), ACTION, RESOURCE) is expected
    assert not index.is_always_allowed(caller_of(index, "user", temporary=False), "iam:GetUser", RESOURCE)
