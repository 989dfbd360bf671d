"""Accounts with as many users and roles as are wanted, for figures and for stories of large accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from brownout.identity.aws import arns, ids
from brownout.identity.aws.records.principals import Role, User

CROWD_PATH = "/crowd/"
CREATED_S = 1_704_067_200.0
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
_NOTHING: Mapping[str, str] = {}  # shared by all, for a million of them would be most of the memory


def crowd(account_id: str, *, users: int = 0, roles: int = 0, first: int = 0) -> Iterator[User | Role]:
    """That many users `crowd-user-N` and roles `crowd-role-N`, N from `first` on, that may do nothing."""
    for number in range(first, first + users):
        name = f"crowd-user-{number}"
        arn = arns.user(account_id, CROWD_PATH, name)
        yield User(name, ids.unique_id(ids.USER, name), arn, CREATED_S, CROWD_PATH, tags=_NOTHING, inline=_NOTHING)
    for number in range(first, first + roles):
        name = f"crowd-role-{number}"
        arn, role_id = arns.role(account_id, CROWD_PATH, name), ids.unique_id(ids.ROLE, name)
        yield Role(name, role_id, arn, CREATED_S, TRUST, CROWD_PATH, tags=_NOTHING, inline=_NOTHING)
