"""Simulation: a result per action and resource, with matched statements, missing keys and the boundary's say."""

from __future__ import annotations

import time
from typing import Any

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.simulate import (
    NamedPolicy,
    Simulation,
    context_key_names,
    custom_simulation,
    evaluation_results,
    with_parameters,
)
from support.aws_policies import USER, allow, deny, document, policy_text, trusting

READ = policy_text(allow("s3:Get*", "arn:aws:s3:::bucket/*"))


def results(params: dict[str, Any], actions: list[str], resources: list[str] | None = None) -> list[Any]:
    return list(evaluation_results(custom_simulation(params, USER), actions, resources or ["*"]))


def test_each_action_meets_each_resource() -> None:
    """Results come action by action, each with its resources in their order."""
    found = results(
        {"PolicyInputList": [READ]}, ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::bucket/a", "arn:aws:s3:::b/a"]
    )
    assert [(one["EvalActionName"], one["EvalResourceName"], one["EvalDecision"]) for one in found] == [
        ("s3:GetObject", "arn:aws:s3:::bucket/a", "allowed"),
        ("s3:GetObject", "arn:aws:s3:::b/a", "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::bucket/a", "implicitDeny"),
        ("s3:PutObject", "arn:aws:s3:::b/a", "implicitDeny"),
    ]
    assert [one["ResourceSpecificResults"][0]["EvalResourceDecision"] for one in found] == [
        one["EvalDecision"] for one in found
    ]


def test_without_resources_everything_is_asked_about() -> None:
    """The resource is `*`, and there are no results for single resources."""
    (found,) = results({"PolicyInputList": [policy_text(allow())]}, ["iam:GetUser"])
    assert (found["EvalResourceName"], found["EvalDecision"], found["ResourceSpecificResults"]) == ("*", "allowed", [])


def test_the_statements_that_decide_are_named() -> None:
    """An allowed result names what allows, a denied one what denies; policies are numbered from 1."""
    params = {"PolicyInputList": [READ, policy_text(allow(), deny("iam:*"))]}
    allowed, denied = results(params, ["s3:GetObject", "iam:GetUser"], ["arn:aws:s3:::bucket/a"])
    assert [match["SourcePolicyId"] for match in allowed["MatchedStatements"]] == ["PolicyInputList.1", "PolicyInputList.2"]
    (match,) = denied["MatchedStatements"]
    assert (denied["EvalDecision"], match["SourcePolicyId"], match["SourcePolicyType"]) == (
        "explicitDeny",
        "PolicyInputList.2",
        "IAM Policy",
    )
    text = params["PolicyInputList"][1]
    column = text.index('{"Effect": "Deny"') + 1
    assert match["StartPosition"] == {"Line": 1, "Column": column}
    assert match["EndPosition"] == {"Line": 1, "Column": len(text) - 2}


def test_policies_of_the_same_text_are_told_apart() -> None:
    """Each is named by its own number, and the boundary only where it decides."""
    params = {"PolicyInputList": [READ, READ], "PermissionsBoundaryPolicyInputList": [READ]}
    (found,) = results(params, ["s3:GetObject"], ["arn:aws:s3:::bucket/a"])
    named = [match["SourcePolicyId"] for match in found["MatchedStatements"]]
    assert named == ["PolicyInputList.1", "PolicyInputList.2", "PermissionsBoundaryPolicyInputList.1"]


def test_a_boundary_has_its_own_say() -> None:
    """It limits what the policies allow, and the result says whether it does."""
    params = {"PolicyInputList": [policy_text(allow())], "PermissionsBoundaryPolicyInputList": [READ]}
    inside, outside = results(params, ["s3:GetObject", "iam:GetUser"], ["arn:aws:s3:::bucket/a"])
    assert (inside["EvalDecision"], inside["PermissionsBoundaryDecisionDetail"]) == (
        "allowed",
        {"AllowedByPermissionsBoundary": True},
    )
    assert (outside["EvalDecision"], outside["PermissionsBoundaryDecisionDetail"]) == (
        "implicitDeny",
        {"AllowedByPermissionsBoundary": False},
    )
    (without,) = results({"PolicyInputList": [READ]}, ["s3:GetObject"])
    assert "PermissionsBoundaryDecisionDetail" not in without


def test_missing_keys_are_those_that_could_decide() -> None:
    """Keys of conditions and variables of statements for the action, unless the entries or the principal have them."""
    text = policy_text(
        allow("s3:GetObject", "arn:aws:s3:::${aws:PrincipalTag/team}/*"),
        deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}, "StringLike": {"aws:UserAgent": "${aws:userName}*"}}),
        allow("iam:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    )
    params: dict[str, Any] = {"PolicyInputList": [text]}
    (found,) = results(params, ["s3:GetObject"])
    assert found["MissingContextValues"] == ["aws:PrincipalTag/team", "aws:SecureTransport", "aws:UserAgent"]
    params["ContextEntries"] = [
        {"ContextKeyName": "AWS:securetransport", "ContextKeyType": "boolean", "ContextKeyValues": ["true"]},
        {"ContextKeyName": "aws:principaltag/TEAM", "ContextKeyType": "string", "ContextKeyValues": ["red"]},
    ]
    (found,) = results(params, ["s3:GetObject"], ["arn:aws:s3:::red/x"])
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("allowed", ["aws:UserAgent"])


def test_a_resource_policy_of_another_account_must_allow_too() -> None:
    """With ResourceOwner another account's, the identity's policy alone is not enough."""
    bucket = policy_text({**trusting({"AWS": USER.arn}, "s3:GetObject"), "Resource": "arn:aws:s3:::bucket/*"})
    params = {"PolicyInputList": [READ], "ResourceOwner": "arn:aws:iam::210987654321:root"}
    (alone,) = results(params, ["s3:GetObject"], ["arn:aws:s3:::bucket/a"])
    (both,) = results({**params, "ResourcePolicy": bucket}, ["s3:GetObject"], ["arn:aws:s3:::bucket/a"])
    assert (alone["EvalDecision"], both["EvalDecision"]) == ("implicitDeny", "allowed")
    assert [match["SourcePolicyType"] for match in both["MatchedStatements"]] == ["IAM Policy", "Resource Policy"]


def test_a_principals_boundary_can_be_replaced() -> None:
    """The boundary of the parameters takes the place of the one that the principal has."""
    own = Simulation(USER, (NamedPolicy("all", document(allow())),), boundary=NamedPolicy("none", document(deny())))
    assert [one["EvalDecision"] for one in evaluation_results(own, ["s3:GetObject"])] == ["explicitDeny"]
    replaced = with_parameters(own, {"PermissionsBoundaryPolicyInputList": [policy_text(allow())]})
    assert [one["EvalDecision"] for one in evaluation_results(replaced, ["s3:GetObject"])] == ["allowed"]


@pytest.mark.parametrize(
    "params",
    [
        {"PolicyInputList": ["{"]},
        {"PolicyInputList": [READ], "PermissionsBoundaryPolicyInputList": [READ, READ]},
        {"PolicyInputList": [READ], "ResourcePolicy": "{}"},
    ],
)
def test_bad_input_is_invalid_input(params: dict[str, Any]) -> None:
    """A malformed policy and a second boundary are refused as InvalidInput."""
    with pytest.raises(AwsError, match="InvalidInput"):
        results(params, ["s3:GetObject"])


@pytest.mark.parametrize("action", ["", "s3", "s3:*", "a:b:c"])
def test_an_action_is_named_in_full(action: str) -> None:
    """Patterns and names without a service are refused as InvalidInput."""
    with pytest.raises(AwsError, match="InvalidInput"):
        results({"PolicyInputList": [READ]}, [action])


@pytest.mark.parametrize(
    "statements",
    [
        [allow(resource="arn:aws:s3:::" + "*a" * 64_000)],
        [allow(resource="arn:aws:s3:::" + "*a?" * 40_000)],
        [allow(resource=[f"arn:aws:s3:::?*{number}?x" for number in range(5_000)])],
        [allow([f"s3:*Get{number}*x" for number in range(7_000)])],
        [allow(f"s3:*Get*{number}") for number in range(2_000)],
        [allow(resource="arn:aws:s3:::" + "${aws:username}" * 8_000)],
        [allow(Condition={"StringLike": {f"a:b{number}": [f"*x{number}"]}}) for number in range(1_200)],
    ],
    ids=["stars", "question-marks", "resources", "actions", "statements", "variables", "conditions"],
)
def test_no_document_takes_long(statements: list[dict[str, Any]]) -> None:
    """The largest documents that the service model lets in are judged within two seconds of work."""
    began = time.process_time()
    results({"PolicyInputList": [policy_text(*statements)]}, ["s3:GetObject"], ["arn:aws:s3:::" + "a" * 2000])
    assert time.process_time() - began < 2


def test_context_keys_are_listed_once() -> None:
    """Keys of conditions and variables, in any case once, sorted."""
    first = document(
        allow(resource="arn:aws:s3:::${aws:username}/*"), deny(Condition={"Bool": {"aws:SecureTransport": "false"}})
    )
    second = document(allow(Condition={"StringEquals": {"AWS:UserName": ["a"], "s3:prefix": "${aws:userid, 'x'}"}}))
    assert context_key_names([first, second]) == ["aws:SecureTransport", "aws:userid", "aws:username", "s3:prefix"]
