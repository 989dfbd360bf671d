"""The decision: whether the policies of an identity, its boundary, its session and the resource allow a request.

The order of AWS's own account of it. An explicit deny in any policy decides. Then a resource-based policy of the same account
may allow a user, a session or all principals directly, and a role up to its boundary and session policies. All else needs an
allow of each layer there is: identity-based policies, the permissions boundary, session policies, and, across accounts or when
the resource demands it, the resource-based policy. No layer allows: an implicit deny.
An account's root user has no identity-based policies and may do everything that no policy denies.
Wire facts: docs/reference/aws-wire.md#policy-evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from brownout.identity.aws.policy.context import Keys, PrincipalKind, RequestContext, RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument, Statement
from brownout.identity.aws.policy.principals import PermissionReach

DecisionReason = Literal["allowed", "explicitDeny", "implicitDeny"]
PolicyLayer = Literal["identity", "boundary", "session", "scope", "resource"]

NO_KEYS: Keys = {}
WITHOUT_POLICIES = ("service", "federated", "anonymous")  # principals whom resource-based policies alone allow
LAYER_NAMES: dict[PolicyLayer, str] = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "scope": "session policy",
    "resource": "resource-based policy",
}


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A statement that took part in the decision, with the document that holds it and the layer of that."""

    layer: PolicyLayer
    document: PolicyDocument
    statement: Statement


@dataclass(frozen=True, slots=True)
class Decision:
    """`matched` are the denying statements of an explicit deny, else the allowing ones, even if a layer lacks an allow.

    `layer` refused the request, None when it is allowed. `boundary_allows` is None without a boundary.
    """

    reason: DecisionReason
    matched: tuple[MatchedStatement, ...]
    layer: PolicyLayer | None = None
    boundary_allows: bool | None = None

    @property
    def allowed(self) -> bool:
        return self.reason == "allowed"


def evaluate(
    context: RequestContext,
    identity_policies: Sequence[PolicyDocument],
    *,
    boundary: PolicyDocument | None = None,
    session_policies: Sequence[PolicyDocument] | None = None,
    scopes: Sequence[PolicyDocument] = (),
    resource_policy: PolicyDocument | None = None,
    resource_must_allow: bool = False,
) -> Decision:
    """Decide about one request.

    `session_policies` is None for a session without any, which has all permissions of its role; an empty sequence is a
    federated user's session that was given none, which has none. Each of `scopes`, by which a session was scoped down, must
    allow too, besides the others. `resource_policy` is that of the resource, a role's trust
    policy for the actions that assume it. With `resource_must_allow` no other policy suffices, as for a role's trust policy.
    """
    layers: list[tuple[PolicyLayer, Sequence[PolicyDocument]]] = [("identity", identity_policies)]
    if boundary is not None:
        layers.append(("boundary", (boundary,)))
    if session_policies is not None:
        layers.append(("session", session_policies))
    action = context.action.lower()
    found = [
        MatchedStatement(layer, document, statement)
        for layer, documents in layers
        for document in documents
        for statement in document.applying(action, context)
    ]
    found += [MatchedStatement("scope", scope, each) for scope in scopes for each in scope.applying(action, context)]
    reach = PermissionReach.NONE
    if resource_policy is not None:
        for statement in resource_policy.applying(action, context):
            statement_reach = reach_of(statement, context)
            if statement_reach is not PermissionReach.NONE:
                found.append(MatchedStatement("resource", resource_policy, statement))
                reach = max(reach, statement_reach)
    decision = _decide(context, found, reach, [layer for layer, _ in layers], resource_must_allow)
    if not decision.allowed or all(_allows(scope, found) for scope in scopes):
        return decision
    return Decision("implicitDeny", decision.matched, "scope", decision.boundary_allows)


@lru_cache(maxsize=4096)
def allows_always(policies: tuple[PolicyDocument, ...], boundary: PolicyDocument | None, action: str, resource: str) -> bool:
    """True when a user or role with these policies may do the action to a resource of its account, whatever the request says.

    Then `evaluate` allows each such request without session policies and without a policy of the resource: no statement that
    has the action asks for anything but the resource. Where this is False the request decides. A document is compared by
    identity and never changes, so the answer follows from the arguments alone.
    """
    name = action.lower()
    layers = (policies,) if boundary is None else (policies, (boundary,))
    found = [
        [each for document in layer for each in document.statements_for(name) if each.has_resource(resource, NO_KEYS)]
        for layer in layers
    ]
    asks = not all(document.asks_nothing_more(name) for layer in layers for document in layer)
    return not asks and all(applying and not any(each.is_deny for each in applying) for applying in found)


class Asker(NamedTuple):
    """All of a principal that a policy without conditions can speak of, by the names of `RequestPrincipal`."""

    kind: PrincipalKind
    account_id: str
    arn: str
    principal_arn: str
    user_id: str


@lru_cache(maxsize=4096)  # all nodes of a simulated stack ask, about the same users and roles
def lets_in_always(
    policies: tuple[PolicyDocument, ...],
    boundary: PolicyDocument | None,
    resource_policy: PolicyDocument,
    asker: Asker,
    action: str,
    resource: str,
) -> bool:
    """True when a user with these policies may do the action to a resource that must allow it too, whatever the request says.

    Then `evaluate` allows each such request without session policies: no statement that has the action asks for anything but
    who asks and the resource. Where this is False the request decides. The answer follows from the arguments alone.
    """
    documents = (*policies, resource_policy) if boundary is None else (*policies, resource_policy, boundary)
    if not all(document.asks_nothing_more(action.lower()) for document in documents):
        return False
    context = RequestContext(action, resource, RequestPrincipal(*asker), NO_KEYS)
    decision = evaluate(context, policies, boundary=boundary, resource_policy=resource_policy, resource_must_allow=True)
    return decision.allowed


def _allows(scope: PolicyDocument, found: Sequence[MatchedStatement]) -> bool:
    return any(match.layer == "scope" and match.document is scope and not match.statement.is_deny for match in found)


def reach_of(statement: Statement, context: RequestContext) -> PermissionReach:
    """How far the statement of a resource-based policy speaks of the principal; without a Principal element not at all."""
    return PermissionReach.NONE if statement.principal is None else statement.principal.reach(context.principal)


def _decide(
    context: RequestContext,
    found: Sequence[MatchedStatement],
    reach: PermissionReach,
    layers: Sequence[PolicyLayer],
    resource_must_allow: bool,
) -> Decision:
    allowing = {match.layer for match in found if not match.statement.is_deny}
    boundary_allows = "boundary" in allowing if "boundary" in layers else None
    denying = tuple(match for match in found if match.statement.is_deny)
    if denying:
        return Decision("explicitDeny", denying, denying[0].layer, boundary_allows)
    matched = tuple(found)
    for layer in _needed(context, reach, layers, resource_must_allow):
        if layer not in allowing:
            return Decision("implicitDeny", matched, layer, boundary_allows)
    return Decision("allowed", matched, None, boundary_allows)


def _needed(
    context: RequestContext, reach: PermissionReach, layers: Sequence[PolicyLayer], resource_must_allow: bool
) -> Sequence[PolicyLayer]:
    """The layers that must allow, in the order in which the first that does not is named."""
    if context.principal.kind in WITHOUT_POLICIES:
        return ("resource",)
    needed: list[PolicyLayer] = ["resource"] if resource_must_allow or context.is_cross_account else []
    own = [layer for layer in layers if layer != "identity" or context.principal.kind != "root"]
    # Within an account, a resource that allows the principal itself replaces all of its own policies; one that allows its role
    # replaces what the role may do, and leaves the limits: boundary and session.
    if not context.is_cross_account and reach is PermissionReach.DIRECT:
        own = []
    elif not context.is_cross_account and reach is PermissionReach.ROLE:
        own = [layer for layer in own if layer != "identity"]
    return [*needed, *own]


def denial(context: RequestContext, decision: Decision, *, resource: str = "", trust: bool = False) -> str:
    """The message of AccessDenied for a decision that refuses; with `trust` the resource's policy is a role's trust policy.

    `resource` is what the message names, "" for none.
    """
    assert decision.layer is not None, "an allowed request is not refused"
    name = "role trust policy" if trust and decision.layer == "resource" else LAYER_NAMES[decision.layer]
    target = f" on resource: {resource}" if resource else ""
    said = f"User: {context.principal.arn} is not authorized to perform: {context.action}{target}"
    if decision.reason == "explicitDeny":
        return f"{said} with an explicit deny in {article(name)} {name}"
    return f"{said} because no {name} allows the {context.action} action"


def article(name: str) -> str:
    """The article before a policy type: the trust policy is the only one of its role."""
    if name == "role trust policy":
        return "the"
    return "an" if name[0] in "aeiou" else "a"
