"""The principals that a resource-based policy names: which there are, whether they exist, and other names for them.

Wire facts: docs/reference/aws-wire.md#trust-policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from brownout.identity.aws import arns, ids
from brownout.identity.aws.records.principals import Role, User


class Principals(Protocol):
    """The users and roles of an account, by name in lower case."""

    @property
    def users(self) -> Mapping[str, User]: ...

    @property
    def roles(self) -> Mapping[str, Role]: ...


def principals_in(document: Any) -> Iterator[tuple[str, str]]:
    """Every principal that a document names, as kind and value; a plain "*" is none."""
    for statement in _listed(document["Statement"]):
        named = statement.get("Principal", statement.get("NotPrincipal", "*"))
        if isinstance(named, dict):
            for kind, values in named.items():
                yield from ((kind, value) for value in _listed(values))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def exists(known: Principals, account_id: str, kind: str, value: str) -> bool:
    """False for a principal that IAM would look for and not find. Those of other accounts are taken as they are."""
    if kind == "Service":
        return value.endswith((".amazonaws.com", ".amazonaws.com.cn")) and "*" not in value
    if kind != "AWS" or value == "*" or _is_account(value):
        return True
    try:
        arn = arns.Arn.parse(value)
    except ValueError:
        return _has_id(known, value)
    return "*" not in value and _arn_exists(known, account_id, arn)


def _is_account(value: str) -> bool:
    return len(value) == 12 and value.isascii() and value.isdigit()


def _has_id(known: Principals, unique_id: str) -> bool:
    if unique_id.startswith(ids.USER):
        return any(user.user_id == unique_id for user in known.users.values())
    role_id = unique_id.partition(":")[0]  # of a role or of one of its sessions
    return any(role.role_id == role_id for role in known.roles.values())


def _arn_exists(known: Principals, account_id: str, arn: arns.Arn) -> bool:
    kinds: dict[tuple[str, str], Mapping[str, User] | Mapping[str, Role] | None] = {
        ("iam", "root"): None,
        ("iam", "user"): known.users,
        ("iam", "role"): known.roles,
        ("sts", "assumed-role"): known.roles,
        ("sts", "federated-user"): None,
    }
    if (arn.service, arn.kind) not in kinds or not _is_account(arn.account):
        return False
    among = kinds[arn.service, arn.kind]
    if among is None or arn.account != account_id:
        return True
    if arn.service == "sts":  # assumed-role/NAME/SESSION
        return arn.path.strip("/").lower() in among
    found = among.get(arn.name.lower())
    return found is not None and found.arn == str(arn)


def renamed_in(document: str, renamed: Callable[[str], str]) -> str:
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
