"""Decisions: which layers must allow, what an explicit deny does, how far a resource's policy reaches, and what is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from brownout.identity.aws.policy.context import RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument
from brownout.identity.aws.policy.evaluate import Decision, PolicyLayer, denial, evaluate
from support.aws_policies import (
    ACCOUNT,
    ANONYMOUS,
    FEDERATED,
    FEDERATED_ARN,
    OTHER_ACCOUNT,
    ROLE_ARN,
    ROOT,
    ROOT_ARN,
    SERVICE,
    SESSION,
    SESSION_ARN,
    USER,
    USER_ARN,
    allow,
    deny,
    document,
    request,
    trusting,
)

ALL, NONE, NOTHING = document(allow()), document(deny()), document(allow("none:*"))
OIDC = f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.com"
WEB = RequestPrincipal("federated", "", OIDC, OIDC, "")


def trust(principal: Any, effect: str = "Allow", name: str = "Principal") -> PolicyDocument:
    """A resource's policy for everything that it has, as trust policies have no Resource."""
    return document({"Effect": effect, name: principal, "Action": "sts:*"}, kind="trust")


def decide(
    principal: RequestPrincipal = USER,
    identity: Sequence[PolicyDocument] = (),
    boundary: PolicyDocument | None = None,
    session: Sequence[PolicyDocument] | None = None,
    resource: PolicyDocument | None = None,
    must_allow: bool = False,
    owner: str = "",
) -> Decision:
    context = request("sts:AssumeRole", ROLE_ARN, principal, resource_account_id=owner)
    return evaluate(
        context,
        identity,
        boundary=boundary,
        session_policies=session,
        resource_policy=resource,
        resource_must_allow=must_allow,
    )


@pytest.mark.parametrize(
    ("statement", "action", "resource", "expected"),
    [
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "s3:GetObject", "arn:aws:s3:::b/k", True),
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "S3:getOBJECT", "arn:aws:s3:::b/k", True),
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "s3:GetObject", "arn:aws:s3:::B/k", False),
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "s3:GetObject", "arn:aws:s3:::b", False),
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "s3:PutObject", "arn:aws:s3:::b/k", False),
        (allow("s3:Get*", "arn:aws:s3:::b/*"), "s3:GetObject", "*", False),
        (allow("s3:Get*", "*"), "s3:GetObject", "*", True),
        (allow("s3:*", "arn:aws:s3:::*"), "s3:GetObject", "arn:aws:s3:::b:c/d", True),
        (allow("s3:*", ["arn:aws:s3:::a", "arn:aws:s3:::b"]), "s3:GetObject", "arn:aws:s3:::b", True),
        (allow("s3:*", "arn:aws:s3:::${aws:username}"), "s3:GetObject", "arn:aws:s3:::eve", True),
        (allow("s3:*", "arn:aws:s3:::${aws:username}"), "s3:GetObject", "arn:aws:s3:::bob", False),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "s3:GetObject", "*", True),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "iam:GetUser", "*", False),
        ({"Effect": "Allow", "NotAction": ["a:b", "s3:Get*"], "Resource": "*"}, "s3:GetObject", "*", False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, "s3:GetObject", "arn:aws:s3:::c", True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b"}, "s3:GetObject", "arn:aws:s3:::b", False),
        (
            {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::${aws:nobody}"},
            "s3:GetObject",
            "arn:aws:s3:::b",
            False,
        ),
        (
            {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::${aws:username}"},
            "s3:GetObject",
            "arn:aws:s3:::b",
            True,
        ),
        (allow(Condition={"StringEquals": {"aws:username": "eve"}}), "s3:GetObject", "*", True),
        (allow(Condition={"StringEquals": {"aws:username": "eve", "x:y": "z"}}), "s3:GetObject", "*", False),
        (allow(Condition={"StringEquals": {"aws:username": "eve"}, "Null": {"x:y": "true"}}), "s3:GetObject", "*", True),
        (allow(Condition={"StringEquals": {"aws:username": "eve"}, "Null": {"x:y": "false"}}), "s3:GetObject", "*", False),
    ],
)
def test_a_statement_applies_by_action_resource_and_conditions(
    statement: dict[str, Any], action: str, resource: str, expected: bool
) -> None:
    """All three must fit, each by its own rules of case, wildcards and negation."""
    context = request(action, resource, keys={"aws:username": "eve"})
    assert evaluate(context, [document(statement)]).allowed is expected


def test_older_documents_have_no_variables() -> None:
    """In version 2008-10-17 a variable in a resource is plain text."""
    statement = allow("s3:*", "arn:aws:s3:::${aws:username}")
    context = request(resource="arn:aws:s3:::eve", keys={"aws:username": "eve"})
    assert not evaluate(context, [document(statement, version="2008-10-17")]).allowed
    assert not evaluate(context, [document(statement, version="")]).allowed
    literal = request(resource="arn:aws:s3:::${aws:username}", keys={"aws:username": "eve"})
    assert evaluate(literal, [document(statement, version="")]).allowed


@pytest.mark.parametrize(
    ("layers", "reason", "layer"),
    [
        ({}, "implicitDeny", "identity"),
        ({"identity": [ALL]}, "allowed", None),
        ({"identity": [NOTHING, ALL]}, "allowed", None),
        ({"identity": [NOTHING]}, "implicitDeny", "identity"),
        ({"identity": [ALL, NONE]}, "explicitDeny", "identity"),
        ({"identity": [ALL], "boundary": ALL}, "allowed", None),
        ({"identity": [ALL], "boundary": NOTHING}, "implicitDeny", "boundary"),
        ({"identity": [ALL], "boundary": NONE}, "explicitDeny", "boundary"),
        ({"identity": [], "boundary": ALL}, "implicitDeny", "identity"),
        ({"identity": [ALL], "session": [ALL]}, "allowed", None),
        ({"identity": [ALL], "session": [NOTHING, ALL]}, "allowed", None),
        ({"identity": [ALL], "session": [NOTHING]}, "implicitDeny", "session"),
        ({"identity": [ALL], "session": []}, "implicitDeny", "session"),
        ({"identity": [ALL], "session": [ALL, NONE]}, "explicitDeny", "session"),
        ({"identity": [NOTHING], "session": [ALL]}, "implicitDeny", "identity"),
        ({"identity": [ALL], "boundary": ALL, "session": [ALL]}, "allowed", None),
        ({"identity": [ALL], "boundary": NOTHING, "session": [ALL]}, "implicitDeny", "boundary"),
        ({"identity": [ALL], "must_allow": True}, "implicitDeny", "resource"),
        ({"identity": [ALL], "must_allow": True, "resource": trust({"AWS": ACCOUNT})}, "allowed", None),
        ({"identity": [], "must_allow": True, "resource": trust({"AWS": ACCOUNT})}, "implicitDeny", "identity"),
        ({"identity": [ALL], "must_allow": True, "resource": trust({"AWS": OTHER_ACCOUNT})}, "implicitDeny", "resource"),
        ({"identity": [ALL], "resource": trust({"AWS": ACCOUNT}, "Deny")}, "explicitDeny", "resource"),
        ({"identity": [ALL], "resource": trust({"AWS": OTHER_ACCOUNT}, "Deny")}, "allowed", None),
    ],
)
def test_every_layer_must_allow(layers: dict[str, Any], reason: str, layer: PolicyLayer | None) -> None:
    """Identity, boundary, session and a demanding resource each need an allow; a deny anywhere decides."""
    decision = decide(**layers)
    assert (decision.reason, decision.layer, decision.allowed) == (reason, layer, reason == "allowed")


REACHES = [
    (USER, {"AWS": USER_ARN}, {"identity", "boundary", "session"}),
    (USER, {"AWS": "AIDAEVEEXAMPLE1234567"}, {"identity", "boundary", "session"}),
    (USER, {"AWS": ACCOUNT}, set()),
    (USER, {"AWS": ROOT_ARN}, set()),
    (USER, "*", {"identity", "boundary", "session"}),
    (SESSION, {"AWS": SESSION_ARN}, {"identity", "boundary", "session"}),
    (SESSION, {"AWS": ROLE_ARN}, {"identity"}),
    (SESSION, {"AWS": "AROAAPPEXAMPLE1234567"}, {"identity"}),
    (SESSION, {"AWS": [ACCOUNT, ROLE_ARN]}, {"identity"}),
    (SESSION, {"AWS": ACCOUNT}, set()),
    (SESSION, {"AWS": "*"}, {"identity", "boundary", "session"}),
    (FEDERATED, {"AWS": FEDERATED_ARN}, {"identity", "boundary", "session"}),
    (FEDERATED, {"AWS": USER_ARN}, {"identity"}),
    (FEDERATED, {"AWS": ACCOUNT}, set()),
]


@pytest.mark.parametrize(("principal", "named", "spared"), REACHES)
@pytest.mark.parametrize("layer", ["identity", "boundary", "session"])
def test_how_far_a_resources_policy_reaches(
    principal: RequestPrincipal, named: Any, spared: set[str], layer: PolicyLayer
) -> None:
    """Within the account it spares the layers below it their allow, as far as the principal is named."""
    layers: dict[str, Any] = {"identity": [ALL], "boundary": ALL, "session": [ALL]}
    layers[layer] = NOTHING if layer == "boundary" else [NOTHING]
    decision = decide(principal, resource=trust(named), **layers)
    assert decision.allowed is (layer in spared)
    assert decision.layer == (None if layer in spared else layer)


@pytest.mark.parametrize(("principal", "named", "spared"), REACHES)
def test_across_accounts_both_must_allow(principal: RequestPrincipal, named: Any, spared: set[str]) -> None:
    """However the principal is named, its own policies must allow too."""
    theirs = trust(named)
    assert decide(principal, [ALL], resource=theirs, owner=OTHER_ACCOUNT).allowed
    assert decide(principal, [NOTHING], resource=theirs, owner=OTHER_ACCOUNT).layer == "identity"
    assert decide(principal, [ALL], session=[], resource=theirs, owner=OTHER_ACCOUNT).layer == "session"
    assert decide(principal, [ALL], owner=OTHER_ACCOUNT).layer == "resource"
    assert decide(principal, [ALL], resource=theirs, owner=ACCOUNT).allowed


@pytest.mark.parametrize(
    ("principal", "named", "allowed"),
    [
        (SERVICE, {"Service": "ec2.amazonaws.com"}, True),
        (SERVICE, {"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}, True),
        (SERVICE, {"Service": "lambda.amazonaws.com"}, False),
        (SERVICE, {"AWS": ACCOUNT}, False),
        (WEB, {"Federated": OIDC}, True),
        (WEB, {"Federated": f"{OIDC}/other"}, False),
        (WEB, {"Service": "ec2.amazonaws.com"}, False),
        (WEB, {"AWS": ACCOUNT}, False),
        (ANONYMOUS, "*", True),
        (ANONYMOUS, {"AWS": "*"}, True),
        (ANONYMOUS, {"AWS": ACCOUNT}, False),
        (USER, {"Service": "ec2.amazonaws.com"}, False),
        (USER, {"Federated": OIDC}, False),
    ],
)
def test_who_has_no_policies_depends_on_the_resource(principal: RequestPrincipal, named: Any, allowed: bool) -> None:
    """Services, tokens of providers and strangers are allowed by the resource's policy alone, or not."""
    assert decide(principal, resource=trust(named), must_allow=True).allowed is allowed
    assert not decide(principal, resource=None).allowed


def test_root_needs_no_policy() -> None:
    """It may do everything that nothing denies; a resource that must allow must name it or its account."""
    assert decide(ROOT).allowed
    assert decide(ROOT, resource=trust({"AWS": ACCOUNT}), must_allow=True).allowed
    assert decide(ROOT, must_allow=True).layer == "resource"
    assert decide(ROOT, resource=trust({"AWS": ACCOUNT}, "Deny")).reason == "explicitDeny"
    assert decide(ROOT, session=[NOTHING]).layer == "session"


@pytest.mark.parametrize(
    ("named", "denied"),
    [({"AWS": USER_ARN}, False), ({"AWS": ROLE_ARN}, True), ({"AWS": ACCOUNT}, False), ({"AWS": "*"}, False)],
)
def test_not_principal_is_everyone_else(named: Any, denied: bool) -> None:
    """A deny with NotPrincipal spares those that it names."""
    decision = decide(USER, [ALL], resource=trust(named, "Deny", "NotPrincipal"))
    assert (decision.reason == "explicitDeny") is denied


def test_the_deciding_statements_are_named() -> None:
    """Of an explicit deny those that deny; else those that allow, with their layer and document."""
    allowing, denying = document(allow("sts:*"), allow("iam:*"), allow()), document(allow(), deny("sts:AssumeRole"))
    assert [(match.layer, match.statement.index) for match in decide(identity=[allowing]).matched] == [
        ("identity", 0),
        ("identity", 2),
    ]
    (match,) = decide(identity=[allowing, denying]).matched
    assert (match.document, match.statement.index) == (denying, 1)


@pytest.mark.parametrize(("boundary", "expected"), [(None, None), (ALL, True), (NOTHING, False), (NONE, False)])
def test_the_boundarys_own_decision_is_told(boundary: PolicyDocument | None, expected: bool | None) -> None:
    """Whether the boundary allows the request by itself, None without one."""
    assert decide(identity=[NOTHING], boundary=boundary).boundary_allows is expected


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ({}, "because no identity-based policy allows the sts:AssumeRole action"),
        ({"identity": [ALL], "boundary": NOTHING}, "because no permissions boundary allows the sts:AssumeRole action"),
        ({"identity": [ALL], "session": []}, "because no session policy allows the sts:AssumeRole action"),
        ({"identity": [ALL], "must_allow": True}, "because no resource-based policy allows the sts:AssumeRole action"),
        ({"identity": [NONE]}, "with an explicit deny in an identity-based policy"),
        ({"identity": [ALL], "boundary": NONE}, "with an explicit deny in a permissions boundary"),
        ({"identity": [ALL], "session": [NONE]}, "with an explicit deny in a session policy"),
        ({"identity": [ALL], "resource": trust("*", "Deny")}, "with an explicit deny in a resource-based policy"),
    ],
)
def test_a_refusal_says_which_kind_of_policy(layers: dict[str, Any], said: str) -> None:
    """Who, what, on which resource, and the layer that refused."""
    context = request("sts:AssumeRole", ROLE_ARN, USER)
    start = f"User: {USER_ARN} is not authorized to perform: sts:AssumeRole"
    assert denial(context, decide(**layers)) == f"{start} {said}"
    assert denial(context, decide(**layers), resource=ROLE_ARN) == f"{start} on resource: {ROLE_ARN} {said}"


def test_a_trust_policy_has_its_own_name() -> None:
    """A role's trust policy is called so in a refusal."""
    context = request("sts:AssumeRole", ROLE_ARN, USER)
    start = f"User: {USER_ARN} is not authorized to perform: sts:AssumeRole"
    implicit = decide(identity=[ALL], must_allow=True)
    assert denial(context, implicit, trust=True) == f"{start} because no role trust policy allows the sts:AssumeRole action"
    explicit = decide(identity=[ALL], resource=trust("*", "Deny"))
    assert denial(context, explicit, trust=True) == f"{start} with an explicit deny in the role trust policy"


def test_conditions_of_a_trust_policy_hold_for_the_request() -> None:
    """An external id in the trust policy must be the request's."""
    theirs = document(trusting({"AWS": USER_ARN}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}), kind="trust")
    for external_id, allowed in (("secret", True), ("guess", False)):
        context = request("sts:AssumeRole", ROLE_ARN, USER, {"sts:ExternalId": external_id})
        assert evaluate(context, (), resource_policy=theirs, resource_must_allow=True).allowed is allowed
