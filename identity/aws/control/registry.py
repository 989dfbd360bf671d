"""The operations of IAM by name: each is a pure function that is marked with `@operation`.

An operation gets a transaction, the parameters as the service model types them, and the caller, who has been authenticated
and authorized by then. It returns the members of its output, times in epoch seconds, or raises AwsError. Whether it may
write is in its name: what only reads is served from the account as it is *described*, which may lag behind.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.transaction import Transaction

OperationParams = Mapping[str, Any]
OperationResult = Mapping[str, Any]
RunOperation = Callable[[Transaction, OperationParams, Caller], OperationResult | None]

OPERATIONS = "brownout.identity.aws.control.operations"  # found by name, for its modules import this one
_READING = ("Get", "List", "Simulate")
_known: dict[str, RunOperation] = {}


def operation(name: str) -> Callable[[RunOperation], RunOperation]:
    """Enters the function as the operation of that name."""

    def enter(run: RunOperation) -> RunOperation:
        assert name not in _known, f"{name} has one home"
        _known[name] = run
        return run

    return enter


@cache
def all_operations() -> Mapping[str, RunOperation]:
    """Every operation by name, in the order of names."""
    for module in pkgutil.walk_packages(import_module(OPERATIONS).__path__, f"{OPERATIONS}."):
        import_module(module.name)
    return dict(sorted(_known.items()))


def reads_only(name: str) -> bool:
    """True for an operation that only describes what there is."""
    return name.startswith(_READING)
