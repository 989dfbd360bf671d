"""Whether who is asked for a delegation has what it would delegate: about, as AWS says of its own check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.policies.applied import applied_policies, holder_of_arn
from brownout.identity.aws.control.operations.policies.attachments import boundary_of
from brownout.identity.aws.control.operations.policies.known import known_policy
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.policy.context import RequestPrincipal
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.simulate import NamedPolicy, Simulation

ALLOWED, DENIED, UNSURE = "ALLOWED", "DENIED", "UNSURE"


def checked_permissions(tx: Transaction, caller: Caller, policy: str) -> str:
    """ALLOWED, DENIED, or UNSURE where the policy has wildcards in actions, conditions or negations that decide nothing alone.

    Policies of the caller's session are not looked at.
    """
    if caller.is_root:
        return ALLOWED
    simulation = _simulation(tx, caller)
    sure = True
    for statement in _allowing(policy):
        actions, resources = _list(statement.get("Action")), _list(statement.get("Resource"))
        sure = sure and "Condition" not in statement and bool(actions and resources)
        for action in actions:
            sure = sure and ("*" not in action or action == "*")
            for resource in resources:
                if not simulation.decide(simulation.context(action, resource)).allowed:
                    return DENIED
    return ALLOWED if sure else UNSURE


def _simulation(tx: Transaction, caller: Caller) -> Simulation:
    holder = holder_of_arn(tx, caller.principal_arn)
    own = tuple(
        NamedPolicy(each.source_id, parse_document(each.document, "managed" if each.arn else "identity"))
        for each in applied_policies(tx, holder)
    )
    arn = boundary_of(holder)
    boundary = NamedPolicy(arn, parse_document(known_policy(tx, arn).document, "boundary")) if arn else None
    principal = RequestPrincipal(caller.kind, tx.account_id, caller.arn, caller.principal_arn, caller.user_id)
    return Simulation(principal, own, boundary)


def _allowing(policy: str) -> Iterator[dict[str, Any]]:
    statements = json.loads(policy).get("Statement", ())
    for each in statements if isinstance(statements, list) else [statements]:
        if each.get("Effect") == "Allow":
            yield each


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
