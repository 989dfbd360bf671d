"""The core of SimulatePrincipalPolicy, SimulateCustomPolicy and GetContextKeysFor*Policy: policies with names, evaluated for
each pair of action and resource with the condition keys that the caller makes up.

Wire facts: docs/reference/aws-wire.md#policy-simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.errors import AwsError, invalid_input
from brownout.identity.aws.policy.context import Keys, RequestContext, RequestPrincipal, lowered
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.evaluate import Decision, PolicyLayer, evaluate
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.positions import TextPosition, statement_spans
from brownout.identity.aws.policy.principals import account_of

IAM_POLICY, RESOURCE_POLICY = "IAM Policy", "Resource Policy"
NO_ONE_NAMED = RequestPrincipal("user", "", "", "", "")  # has policies, and no condition key tells who it is
ALL_RESOURCES = ("*",)


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """`source_id` is what results call the policy: the name of a managed policy, `PolicyInputList.1`."""

    source_id: str
    document: PolicyDocument
    source_type: str = IAM_POLICY


@dataclass(frozen=True, slots=True)
class Simulation:
    """What stays the same over all pairs. `keys` have lower-case names and may override those of the principal."""

    principal: RequestPrincipal
    policies: tuple[NamedPolicy, ...]
    boundary: NamedPolicy | None = None
    resource_policy: NamedPolicy | None = None
    resource_account_id: str = ""
    keys: Keys | None = None

    @property
    def layers(self) -> tuple[tuple[PolicyLayer, NamedPolicy], ...]:
        """All policies, each with its layer."""
        found: list[tuple[PolicyLayer, NamedPolicy]] = [("identity", policy) for policy in self.policies]
        found += [("boundary", self.boundary)] if self.boundary is not None else []
        found += [("resource", self.resource_policy)] if self.resource_policy is not None else []
        return tuple(found)

    def context(self, action: str, resource: str) -> RequestContext:
        keys = {**self.principal.keys, **(self.keys or {})}
        return RequestContext(action, resource, self.principal, keys, self.resource_account_id)

    def decide(self, context: RequestContext) -> Decision:
        return evaluate(
            context,
            [policy.document for policy in self.policies],
            boundary=None if self.boundary is None else self.boundary.document,
            resource_policy=None if self.resource_policy is None else self.resource_policy.document,
        )


def evaluation_results(
    simulation: Simulation, actions: Sequence[str], resources: Sequence[str] = ALL_RESOURCES
) -> Iterator[Mapping[str, Any]]:
    """An EvaluationResult, by member names, for each action and resource, in this order; raises AwsError InvalidInput."""
    for action in actions:
        if action.count(":") != 1 or "*" in action:
            raise invalid_input(f"Invalid action name: {action}")
    return (_result(simulation, action, resource) for action in actions for resource in resources or ALL_RESOURCES)


def _result(simulation: Simulation, action: str, resource: str) -> Mapping[str, Any]:
    context = simulation.context(action, resource)
    decision = simulation.decide(context)
    said: dict[str, Any] = {
        "MatchedStatements": list(_statements(simulation, decision)),
        "MissingContextValues": missing_keys([policy for _, policy in simulation.layers], context),
    }
    if decision.boundary_allows is not None:
        said["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": decision.boundary_allows}
    specific = {"EvalResourceName": resource, "EvalResourceDecision": decision.reason, **said}
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision.reason,
        **said,
        "ResourceSpecificResults": [specific] if resource != "*" else [],
    }


def _statements(simulation: Simulation, decision: Decision) -> Iterator[Mapping[str, Any]]:
    """The matched statements, policy by policy. Policies of the same text share a document, and each is named."""
    matched = {(match.layer, match.statement) for match in decision.matched}
    for layer, policy in simulation.layers:
        for statement in policy.document.statements:
            if (layer, statement) in matched:
                span = statement_spans(policy.document.text)[statement.index]
                yield {
                    "SourcePolicyId": policy.source_id,
                    "SourcePolicyType": policy.source_type,
                    "StartPosition": _position(span.start),
                    "EndPosition": _position(span.end),
                }


def _position(position: TextPosition) -> Mapping[str, int]:
    return {"Line": position.line, "Column": position.column}


def missing_keys(policies: Iterable[NamedPolicy], context: RequestContext) -> list[str]:
    """Names of condition keys that the context lacks and that could decide, as written, sorted: those of statements with the
    action, and those of variables in their resources.
    """
    action = context.action.lower()
    names = {
        name.lower(): name
        for policy in policies
        for statement in policy.document.statements_for(action)
        if statement.has_resource(context.resource, context.keys) or statement.has_variable_resource
        for name in statement.context_keys
    }
    return sorted(name for key, name in names.items() if key not in context.keys)


def context_key_names(documents: Iterable[PolicyDocument]) -> list[str]:
    """ContextKeyNames: every condition key that the policies look at, as first written, sorted."""
    names: dict[str, str] = {}
    for document in documents:
        for statement in document.statements:
            for name in statement.context_keys:
                names.setdefault(name.lower(), name)
    return sorted(names.values())


def input_policies(texts: Sequence[str], member: str, kind: PolicyKind = "identity") -> tuple[NamedPolicy, ...]:
    """The policies of an input list, named after its `member` (PolicyInputList); raises AwsError InvalidInput."""
    return tuple(
        _input_policy(text, f"{member}.{number}", f"Policy input list item {number}", kind)
        for number, text in enumerate(texts, start=1)
    )


def _input_policy(text: str, source_id: str, place: str, kind: PolicyKind) -> NamedPolicy:
    try:
        document = parse_document(text, kind)
    except AwsError:
        raise invalid_input(f"{place} has invalid content") from None
    return NamedPolicy(source_id, document, RESOURCE_POLICY if kind == "resource" else IAM_POLICY)


def context_entries(entries: Sequence[Mapping[str, Any]]) -> Keys:
    """The condition keys of the parameter ContextEntries."""
    return lowered({str(entry.get("ContextKeyName", "")): entry.get("ContextKeyValues", ()) for entry in entries})


def custom_simulation(params: Mapping[str, Any], principal: RequestPrincipal = NO_ONE_NAMED) -> Simulation:
    """What SimulateCustomPolicy's parameters ask for; `principal` is whom CallerArn names. Raises AwsError InvalidInput."""
    return with_parameters(Simulation(principal, input_policies(params["PolicyInputList"], "PolicyInputList")), params)


def with_parameters(base: Simulation, params: Mapping[str, Any]) -> Simulation:
    """The simulation with what both operations' parameters say about boundary, resource and keys.

    A boundary in the parameters replaces the principal's own. Raises AwsError InvalidInput.
    """
    boundaries = input_policies(params.get("PermissionsBoundaryPolicyInputList", ()), "PermissionsBoundaryPolicyInputList")
    if len(boundaries) > 1:
        raise invalid_input("Only one permissions boundary can be simulated at a time.")
    resource_policy = params.get("ResourcePolicy", "")
    return Simulation(
        base.principal,
        base.policies,
        boundary=boundaries[0] if boundaries else base.boundary,
        resource_policy=_input_policy(resource_policy, "ResourcePolicy", "Resource policy", "resource")
        if resource_policy
        else None,
        resource_account_id=account_of(params.get("ResourceOwner", "")),
        keys=context_entries(params.get("ContextEntries", ())),
    )
