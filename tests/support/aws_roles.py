"""Users, roles and policies for tests, as records."""

from __future__ import annotations

import json
from typing import Any

from brownout.identity.aws import arns, ids
from brownout.identity.aws.records.principals import Role, User


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]})


def allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Action": list(actions), "Resource": resource, **more}


def deny(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource, **more}


def trust(principal: Any, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Principal": principal, "Action": list(actions) or "sts:AssumeRole", **more}


def role(account: str, name: str, *trusts: dict[str, Any], path: str = "/", **fields: Any) -> Role:
    """A role that lets in whom `trusts` say; by default it may read secrets."""
    inline = fields.pop("inline", {"own": document(allow("secretsmanager:GetSecretValue"))})
    role_id = fields.pop("role_id", ids.unique_id(ids.ROLE, name))
    return Role(name, role_id, arns.role(account, path, name), 0.0, document(*trusts), path, inline=inline, **fields)


def user(account: str, name: str, *statements: dict[str, Any], path: str = "/", **fields: Any) -> User:
    """A user who may do what `statements` say."""
    inline = {"own": document(*statements)} if statements else {}
    return User(name, ids.unique_id(ids.USER, name), arns.user(account, path, name), 0.0, path, inline=inline, **fields)
