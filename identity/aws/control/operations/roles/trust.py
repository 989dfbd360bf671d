"""Trust policies: whom they may name, and what becomes of a name when its principal is deleted.

IAM resolves the users and roles that a trust policy names when the policy is saved, and refuses names of nothing. It then
knows them by their unique ids: a user that is deleted and made anew under its old name is not trusted any more, and the
policy shows the id of the one that was. Here a document keeps the ARN for as long as the principal exists, and gets the id
in the same transaction that deletes it.
Wire facts: docs/reference/aws-wire.md#trust-policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from brownout.identity.aws import arns
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.sizes import check_trust_size
from brownout.identity.aws.policy.trust_checks import invalid_principal
from brownout.identity.aws.records.named_principals import exists, principals_in, renamed_in
from brownout.identity.aws.records.principals import Role, User


def checked_trust(tx: Transaction, document: str) -> str:
    """The trust policy as it is stored; raises MalformedPolicyDocument, LimitExceeded."""
    parse_document(document, "trust")
    check_trust_size(document)
    for kind, value in principals_in(json.loads(document)):
        if not exists(_Known(tx), tx.account_id, kind, value):
            raise invalid_principal(kind, value)
    return document


def forget_principal(tx: Transaction, principal: User | Role) -> None:
    """Puts the unique id of a user or role that is being deleted in place of its ARN, in every trust policy.

    The sessions of a role go with it: `AROA...:SESSION` takes the place of a session's ARN.
    """
    if isinstance(principal, User):
        rename_principal(tx, principal.arn, principal.user_id)
        return
    sessions, role_id = arns.assumed_role(tx.account_id, principal.name, ""), principal.role_id

    def renamed(value: str) -> str:
        if value.startswith(sessions):
            return f"{role_id}:{value.removeprefix(sessions)}"
        return role_id if value == principal.arn else value

    _rename(tx, principal.name, renamed)


def rename_principal(tx: Transaction, arn: str, name: str) -> None:
    """Puts another name in place of a principal's ARN, in every trust policy."""
    _rename(tx, arns.Arn.parse(arn).name, lambda value: name if value == arn else value)


def _rename(tx: Transaction, mentioned: str, renamed: Callable[[str], str]) -> None:
    """Gives principals their new names in every trust policy.

    Only documents that mention the principal's name are read. Its ARN is not looked for, as JSON may escape the slashes.
    """
    for role in tx.table(Role).values():
        if mentioned in role.trust:
            trust = renamed_in(role.trust, renamed)
            if trust != role.trust:
                tx.put(replace(role, trust=trust))


class _Known:
    """The users and roles that a transaction sees."""

    def __init__(self, tx: Transaction) -> None:
        self.users, self.roles = tx.table(User), tx.table(Role)
