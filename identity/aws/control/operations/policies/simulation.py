"""SimulatePrincipalPolicy, SimulateCustomPolicy and the condition keys that policies look at.

Here an account's policies are gathered; what they decide is brownout.identity.aws.policy.simulate.
Wire facts: docs/reference/aws-wire.md#policy-simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import PolicyHolder
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.applied import (
    AppliedPolicy,
    applied_policies,
    holder_of_arn,
)
from brownout.identity.aws.control.operations.policies.attachments import boundary_of
from brownout.identity.aws.control.operations.policies.known import is_of_aws, known_policy
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, invalid_input
from brownout.identity.aws.policy.context import RequestPrincipal
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.simulate import (
    NO_ONE_NAMED,
    NamedPolicy,
    Simulation,
    context_key_names,
    custom_simulation,
    evaluation_results,
    input_policies,
    with_parameters,
)
from brownout.identity.aws.records.principals import Group, User


@operation("SimulatePrincipalPolicy")
def simulate_principal_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    holder = holder_of_arn(tx, params["PolicySourceArn"])
    excluded = params.get("PolicyExclusionList", ())
    own = [
        NamedPolicy(policy.source_id, parse_document(policy.document, "managed" if policy.arn else "identity"))
        for policy in applied_policies(tx, holder)
        if not any(_is_excluded(policy, exclusion) for exclusion in excluded)
    ]
    added = input_policies(params.get("PolicyInputList", ()), "PolicyInputList")
    caller_arn = params.get("CallerArn", "")
    if not isinstance(holder, User):
        _require_caller(params)
    principal = _principal(tx, caller_arn) if caller_arn else _principal_of(tx, holder)
    simulation = Simulation(principal, (*own, *added), boundary=_boundary(tx, holder, excluded))
    return _results(params, with_parameters(simulation, params))


def _is_excluded(policy: AppliedPolicy, exclusion: Mapping[str, Any]) -> bool:
    """True for a policy that an entry of PolicyExclusionList leaves out."""
    kind, arn, inline = exclusion.get("PolicyType"), exclusion.get("PolicyArn"), exclusion.get("InlinePolicyIdentifier")
    if kind == "inline" or inline is not None:
        return not policy.arn and (inline is None or _is_named(policy, inline))
    owners = {"aws-managed": True, "user-managed": False}
    is_of_kind = bool(policy.arn) and (kind is None or owners.get(kind) == is_of_aws(policy.arn))
    return is_of_kind and arn in (None, policy.arn)


def _is_named(policy: AppliedPolicy, inline: Mapping[str, str]) -> bool:
    """True for the inline policy that an InlinePolicyIdentifier names."""
    named = (inline["PolicyName"], inline["AttachmentType"], inline["AttachmentName"].lower())
    return named == (policy.name, policy.holder_kind, policy.holder_name.lower())


def _boundary(tx: Transaction, holder: PolicyHolder, excluded: Sequence[Mapping[str, Any]]) -> NamedPolicy | None:
    """The holder's boundary, unless it is left out."""
    arn = boundary_of(holder)
    if not arn or any(exclusion.get("PolicyType") == "permission-boundary" for exclusion in excluded):
        return None
    policy = known_policy(tx, arn)
    return NamedPolicy(policy.name, parse_document(policy.document, "boundary"))


@operation("SimulateCustomPolicy")
def simulate_custom_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    _require_caller(params)
    caller_arn = params.get("CallerArn", "")
    return _results(params, custom_simulation(params, _principal(tx, caller_arn) if caller_arn else NO_ONE_NAMED))


def _require_caller(params: OperationParams) -> None:
    """Raises InvalidInput for a policy of a resource without a caller that it could name."""
    if params.get("ResourcePolicy") and not params.get("CallerArn"):
        raise invalid_input("CallerArn is required when ResourcePolicy is specified.")


def _results(params: OperationParams, simulation: Simulation) -> OperationResult:
    found = list(evaluation_results(simulation, params["ActionNames"], params.get("ResourceArns", ())))
    shown = page(params, [f"{number:06}" for number in range(len(found))])
    return shown.result("EvaluationResults", [found[int(key)] for key in shown.keys])


def _principal(tx: Transaction, text: str) -> RequestPrincipal:
    """Whom CallerArn names: a user of the account with its tags and id, else the principal of that ARN; raises InvalidInput."""
    try:
        return _principal_of(tx, holder_of_arn(tx, text))
    except AwsError:
        pass  # it need not exist
    try:
        arn = arns.Arn.parse(text)
    except ValueError:
        raise invalid_input(f"Invalid caller ARN: {text}") from None
    return RequestPrincipal("user", arn.account, text, text, "", user_name=arn.name)


def _principal_of(tx: Transaction, holder: PolicyHolder) -> RequestPrincipal:
    if isinstance(holder, User):
        return RequestPrincipal(
            "user", tx.account_id, holder.arn, holder.arn, holder.user_id, user_name=holder.name, tags=holder.tags
        )
    if isinstance(holder, Group):
        return RequestPrincipal("user", tx.account_id, holder.arn, holder.arn, holder.group_id)
    return RequestPrincipal("assumed-role", tx.account_id, holder.arn, holder.arn, holder.role_id, tags=holder.tags)


@operation("GetContextKeysForPrincipalPolicy")
def get_context_keys_for_principal_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    holder = holder_of_arn(tx, params["PolicySourceArn"])
    own = [parse_document(policy.document, "identity") for policy in applied_policies(tx, holder)]
    added = [policy.document for policy in input_policies(params.get("PolicyInputList", ()), "PolicyInputList")]
    return {"ContextKeyNames": context_key_names([*own, *added])}


@operation("GetContextKeysForCustomPolicy")
def get_context_keys_for_custom_policy(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    added = input_policies(params["PolicyInputList"], "PolicyInputList")
    return {"ContextKeyNames": context_key_names(policy.document for policy in added)}
