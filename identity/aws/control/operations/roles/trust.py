"""Trust policies: whom they may name, and what becomes of a name when its principal is deleted.

IAM resolves the users and roles that a trust policy names when the policy is saved, and refuses names of nothing. It then
knows them by their unique ids: a user that is deleted and made anew under its old name is not trusted any more, and the
policy shows the id of the one that was. Here a document keeps the ARN for as long as the principal exists, and gets the id
in the same transaction that deletes it.
Wire facts: docs/reference/aws-wire.md#trust-policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from brownout.identity.aws import arns, ids
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.sizes import check_trust_size
from brownout.identity.aws.policy.trust_checks import invalid_principal
from brownout.identity.aws.records.principals import Role, User


def checked_trust(tx: Transaction, document: str) -> str:
    """The trust policy as it is stored; raises MalformedPolicyDocument, LimitExceeded."""
    parse_document(document, "trust")
    check_trust_size(document)
    for kind, value in _principals(json.loads(document)):
        if not _exists(tx, kind, value):
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
            trust = _renamed(role.trust, renamed)
            if trust != role.trust:
                tx.put(replace(role, trust=trust))


def _principals(document: Any) -> Iterator[tuple[str, str]]:
    """Every principal that a document names, as kind and value; a plain "*" is none."""
    for statement in _listed(document["Statement"]):
        named = statement.get("Principal", statement.get("NotPrincipal", "*"))
        if isinstance(named, dict):
            for kind, values in named.items():
                yield from ((kind, value) for value in _listed(values))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _exists(tx: Transaction, kind: str, value: str) -> bool:
    """False for a principal that IAM would look for and not find. Those of other accounts are taken as they are."""
    if kind == "Service":
        return value.endswith((".amazonaws.com", ".amazonaws.com.cn")) and "*" not in value
    if kind != "AWS" or value == "*" or _is_account(value):
        return True
    try:
        arn = arns.Arn.parse(value)
    except ValueError:
        return _has_id(tx, value)
    return "*" not in value and _arn_exists(tx, arn)


def _is_account(value: str) -> bool:
    return len(value) == 12 and value.isascii() and value.isdigit()


def _has_id(tx: Transaction, unique_id: str) -> bool:
    if unique_id.startswith(ids.USER):
        return any(user.user_id == unique_id for user in tx.table(User).values())
    role_id = unique_id.partition(":")[0]  # of a role or of one of its sessions
    return any(role.role_id == role_id for role in tx.table(Role).values())


def _arn_exists(tx: Transaction, arn: arns.Arn) -> bool:
    kinds: dict[tuple[str, str], type[User | Role] | None] = {
        ("iam", "root"): None,
        ("iam", "user"): User,
        ("iam", "role"): Role,
        ("sts", "assumed-role"): Role,
        ("sts", "federated-user"): None,
    }
    if (arn.service, arn.kind) not in kinds or not _is_account(arn.account):
        return False
    kind = kinds[arn.service, arn.kind]
    if kind is None or arn.account != tx.account_id:
        return True
    if arn.service == "sts":  # assumed-role/NAME/SESSION
        return tx.get(kind, arn.path.strip("/").lower()) is not None
    found = tx.get(kind, arn.name.lower())
    return found is not None and found.arn == str(arn)


def _renamed(document: str, renamed: Callable[[str], str]) -> str:
    """The document with the new names of its principals, the same text where none has another."""
    parsed, changed = json.loads(document), False
    for statement in _listed(parsed["Statement"]):
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            before = _listed(named.get("AWS", [])) if isinstance(named, dict) else []
            after = [renamed(value) for value in before]
            if after != before:
                named["AWS"] = after if isinstance(named["AWS"], list) else after[0]
                changed = True
    return json.dumps(parsed) if changed else document
