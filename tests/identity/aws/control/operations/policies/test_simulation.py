"""Simulations over the account's own policies: whose they are, what is left out, what is added."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.aws.records.principals import Group, User
from support.iam_account import ACCOUNT, EC2_TRUST, START_S, IamAccount, allow

IAM = f"arn:aws:iam::{ACCOUNT}"
ALICE, STAFF, APP = f"{IAM}:user/alice", f"{IAM}:group/staff", f"{IAM}:role/app"


@pytest.fixture
def account() -> IamAccount:
    """The user alice may get objects, her group may put them, the policy `own` lets the role `app` list them."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", ALICE, START_S, tags={"team": "blue"}, groups=("staff",)),
            Group("staff", "AGPASTAFF000000000001", STAFF, START_S),
        ]
    )
    account("PutUserPolicy", UserName="alice", PolicyName="get", PolicyDocument=allow("s3:GetObject"))
    account("PutGroupPolicy", GroupName="staff", PolicyName="put", PolicyDocument=allow("s3:PutObject"))
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    account("CreatePolicy", PolicyName="own", PolicyDocument=allow("s3:ListBucket"))
    account("AttachRolePolicy", RoleName="app", PolicyArn=f"{IAM}:policy/own")
    return account


def decided(account: IamAccount, source: str, *actions: str, **params: Any) -> list[str]:
    found = account("SimulatePrincipalPolicy", PolicySourceArn=source, ActionNames=list(actions), **params)
    return [result["EvalDecision"] for result in found["EvaluationResults"]]


OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket")


@pytest.mark.parametrize(
    ("source", "decisions"),
    [
        (ALICE, ["allowed", "allowed", "implicitDeny"]),
        (STAFF, ["implicitDeny", "allowed", "implicitDeny"]),
        (APP, ["implicitDeny", "implicitDeny", "allowed"]),
    ],
)
def test_own_policies_decide(account: IamAccount, source: str, decisions: list[str]) -> None:
    """A user has those of its groups too."""
    assert decided(account, source, *OBJECTS) == decisions


def test_results_name_their_policies(account: IamAccount) -> None:
    """An inline policy by its holder and name, a managed one by its name."""

    def sources(source: str, action: str) -> list[str]:
        found = account("SimulatePrincipalPolicy", PolicySourceArn=source, ActionNames=[action])
        return [match["SourcePolicyId"] for match in found["EvaluationResults"][0]["MatchedStatements"]]

    assert sources(ALICE, "s3:GetObject") == ["user_alice_get"]
    assert sources(ALICE, "s3:PutObject") == ["group_staff_put"]
    assert sources(APP, "s3:ListBucket") == ["own"]


READS_IAM = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
PUT = {"PolicyName": "put", "AttachmentType": "group", "AttachmentName": "Staff"}
GET = {"PolicyName": "get", "AttachmentType": "user", "AttachmentName": "alice"}


@pytest.mark.parametrize(
    ("exclusion", "left"),
    [
        ({"PolicyType": "inline"}, {"s3:ListBucket", "iam:GetUser"}),
        ({"PolicyType": "aws-managed"}, {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}),
        ({"PolicyType": "user-managed"}, {"s3:GetObject", "s3:PutObject", "iam:GetUser"}),
        ({"PolicyArn": READS_IAM}, {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}),
        ({"PolicyArn": f"{IAM}:policy/own", "PolicyType": "user-managed"}, {"s3:GetObject", "s3:PutObject", "iam:GetUser"}),
        ({"InlinePolicyIdentifier": PUT}, {"s3:GetObject", "s3:ListBucket", "iam:GetUser"}),
        ({"PolicyType": "inline", "InlinePolicyIdentifier": GET}, {"s3:PutObject", "s3:ListBucket", "iam:GetUser"}),
        ({"PolicyType": "scp"}, {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "iam:GetUser"}),
    ],
)
def test_policies_are_left_out(account: IamAccount, exclusion: dict[str, Any], left: set[str]) -> None:
    """By type, by ARN, by name: each of the user's four policies allows one action."""
    for arn in (READS_IAM, f"{IAM}:policy/own"):
        account("AttachUserPolicy", UserName="alice", PolicyArn=arn)
    actions = (*OBJECTS, "iam:GetUser")
    decisions = decided(account, ALICE, *actions, PolicyExclusionList=[exclusion])
    assert {action for action, decision in zip(actions, decisions, strict=True) if decision == "allowed"} == left


def test_a_boundary_counts_and_can_be_left_out(account: IamAccount) -> None:
    """What the boundary does not allow is denied, and the result tells it."""
    account("CreatePolicy", PolicyName="bound", PolicyDocument=allow("s3:Put*"))
    account("PutUserPermissionsBoundary", UserName="alice", PermissionsBoundary=f"{IAM}:policy/bound")
    assert decided(account, ALICE, *OBJECTS) == ["implicitDeny", "allowed", "implicitDeny"]
    without = {"PolicyExclusionList": [{"PolicyType": "permission-boundary"}]}
    assert decided(account, ALICE, *OBJECTS, **without) == ["allowed", "allowed", "implicitDeny"]
    assert decided(account, ALICE, *OBJECTS, PermissionsBoundaryPolicyInputList=[allow("s3:Get*")])[0] == "allowed"


def test_added_policies_and_context_count(account: IamAccount) -> None:
    """Policies of the request come on top; the user's name and tags are known without being told."""
    mine = allow("s3:ListBucket", resource="arn:aws:s3:::${aws:username}-${aws:PrincipalTag/team}")
    resources = ["arn:aws:s3:::alice-blue", "arn:aws:s3:::alice-red"]
    found = decided(account, ALICE, "s3:ListBucket", PolicyInputList=[mine], ResourceArns=resources)
    assert found == ["allowed", "implicitDeny"]


def test_a_caller_may_be_named(account: IamAccount) -> None:
    """The policies of one are tried for another: its keys are those of CallerArn."""
    mine = allow("s3:ListBucket", resource="arn:aws:s3:::${aws:username}")
    params: dict[str, Any] = {"PolicyInputList": [mine], "ResourceArns": ["arn:aws:s3:::bob", "arn:aws:s3:::alice"]}
    assert decided(account, STAFF, "s3:ListBucket", **params, CallerArn=f"{IAM}:user/bob") == ["allowed", "implicitDeny"]
    found = account("SimulateCustomPolicy", ActionNames=["s3:ListBucket"], **params, CallerArn=ALICE)
    assert [result["EvalDecision"] for result in found["EvaluationResults"]] == ["implicitDeny", "allowed"]


def test_policies_of_nobody_in_particular_are_tried(account: IamAccount) -> None:
    """Without CallerArn the keys that tell a user are missing, and the policies decide all the same."""
    mine = allow("s3:ListBucket", resource="arn:aws:s3:::${aws:username}")
    found = account("SimulateCustomPolicy", PolicyInputList=[mine, allow("s3:GetObject")], ActionNames=list(OBJECTS))
    told = {result["EvalActionName"]: result for result in found["EvaluationResults"]}
    assert [told[action]["EvalDecision"] for action in OBJECTS] == ["allowed", "implicitDeny", "implicitDeny"]
    assert told["s3:ListBucket"]["MissingContextValues"] == ["aws:username"]


def test_a_resource_policy_needs_a_caller(account: IamAccount) -> None:
    """It speaks of principals, so one must be named; a user whose policies are simulated is one."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Principal": {"AWS": APP}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    params: dict[str, Any] = {"ActionNames": ["s3:GetObject"], "ResourcePolicy": policy}
    error = ("InvalidInput", "CallerArn is required when ResourcePolicy is specified.")
    assert account.refused("SimulateCustomPolicy", PolicyInputList=[allow("ec2:*")], **params) == error
    assert account.refused("SimulatePrincipalPolicy", PolicySourceArn=STAFF, **params) == error
    assert decided(account, ALICE, "s3:GetObject", ResourcePolicy=policy) == ["allowed"]
    assert decided(account, APP, "s3:GetObject", ResourcePolicy=policy, CallerArn=APP) == ["allowed"]
    assert decided(account, APP, "s3:GetObject") == ["implicitDeny"]


def test_results_come_in_pages(account: IamAccount) -> None:
    """Pages join to the order of actions and resources."""
    actions = [f"s3:Get{n}" for n in range(5)]
    names: list[str] = []
    marker: dict[str, str] = {}
    while True:
        found = account("SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], ActionNames=actions, MaxItems=2, **marker)
        names += [result["EvalActionName"] for result in found["EvaluationResults"]]
        if not found["IsTruncated"]:
            break
        marker = {"Marker": found["Marker"]}
    assert names == actions


def test_condition_keys_are_named(account: IamAccount) -> None:
    """Of an entity's policies, those of its groups among them, and of policies in the request."""
    mine = allow("s3:ListBucket", resource="arn:aws:s3:::${aws:username}")
    account("PutGroupPolicy", GroupName="staff", PolicyName="put", PolicyDocument=mine)
    assert account("GetContextKeysForPrincipalPolicy", PolicySourceArn=ALICE) == {"ContextKeyNames": ["aws:username"]}
    other = mine.replace("aws:username", "aws:PrincipalTag/team")
    both = account("GetContextKeysForPrincipalPolicy", PolicySourceArn=ALICE, PolicyInputList=[other])
    assert both == {"ContextKeyNames": ["aws:PrincipalTag/team", "aws:username"]}
    assert account("GetContextKeysForCustomPolicy", PolicyInputList=[other]) == {"ContextKeyNames": ["aws:PrincipalTag/team"]}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (f"{IAM}:user/none", ("NoSuchEntity", "The user with name none cannot be found.")),
        (f"{IAM}:user/other/alice", ("NoSuchEntity", "The user with name alice cannot be found.")),
        (f"{IAM}:policy/own", ("InvalidInput", f"Invalid Entity Arn: {IAM}:policy/own")),
        ("alice-without-an-arn-here", ("InvalidInput", "Invalid Entity Arn: alice-without-an-arn-here")),
    ],
)
def test_sources_that_are_none(account: IamAccount, source: str, error: tuple[str, str]) -> None:
    """Users, groups and roles have policies that can be simulated."""
    refused = account.refused("SimulatePrincipalPolicy", PolicySourceArn=source, ActionNames=["s3:GetObject"])
    assert refused == error
    assert account.refused("GetContextKeysForPrincipalPolicy", PolicySourceArn=source) == error


def test_callers_and_policies_that_are_none(account: IamAccount) -> None:
    """A malformed policy and a text that is no ARN."""
    params: dict[str, Any] = {"ActionNames": ["s3:GetObject"]}
    refused = account.refused("SimulateCustomPolicy", PolicyInputList=[allow("s3:*"), "{"], **params)
    assert refused == ("InvalidInput", "Policy input list item 2 has invalid content")
    refused = account.refused("SimulateCustomPolicy", PolicyInputList=[allow("s3:*")], CallerArn="bob", **params)
    assert refused == ("InvalidInput", "Invalid caller ARN: bob")
