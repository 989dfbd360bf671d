"""Which user an operation is about that may leave the name away: then it is the one who calls."""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.registry import OperationParams
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import validation_error
from brownout.identity.aws.records.principals import User


def meant_user(tx: Transaction, params: OperationParams, caller: Caller) -> User:
    """The user of that name, or who calls; raises NoSuchEntity, and ValidationError for a caller who is no user."""
    if "UserName" in params:
        return known_user(tx, params["UserName"])
    if caller.kind != "user":
        raise validation_error("Must specify userName when calling with non-User credentials")
    return known_user(tx, caller.principal_name)


def meant_owner(tx: Transaction, params: OperationParams, caller: Caller) -> str:
    """The name of whose credential is meant; "" for the root, who has some of its own."""
    return "" if caller.is_root and "UserName" not in params else meant_user(tx, params, caller).name
