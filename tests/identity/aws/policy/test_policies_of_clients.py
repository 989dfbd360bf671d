"""Policies as boto3 meets them on a whole stack: written through IAM, published to the regions, decided there at each call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.identity.aws.auth.caller import Credentials
from support.aws_policies import allow, deny, policy_text, trusting
from support.iam_clients import IamStack, iam_stack
from support.simulated_aws import STS_NODE

PUBLISHED_S = 3.0  # more than the interval at which the directory publishes
BOUNDARY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack for all tests; each uses names of its own."""
    with iam_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def account(stack: IamStack) -> str:
    """The account's id."""
    return str(stack.iam().get_user(UserName="admin")["User"]["Arn"].split(":")[4])


def user(stack: IamStack, name: str, *statements: Mapping[str, Any], **made: Any) -> Credentials:
    """The keys of a new user with one inline policy, known everywhere."""
    iam = stack.iam()
    iam.create_user(UserName=name, **made)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy_text(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stack.sleep(PUBLISHED_S)
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def denial(call: Any, **params: Any) -> str:
    """The message of AccessDenied, "" when the call is allowed."""
    try:
        call(**params)
    except ClientError as error:
        return str(error.response["Error"]["Message"]) if error.response["Error"]["Code"] == "AccessDenied" else ""
    return ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Syntax errors in policy."),
        (policy_text({**allow(), "Effect": "allow"}), "The policy failed legacy parsing"),
        (policy_text(allow(Principal="*")), "Policy document should not specify a principal."),
        (policy_text(allow("s3")), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (policy_text(allow(resource="bucket")), 'Resource bucket must be in ARN format or "*".'),
        (policy_text(allow(Sid="a"), allow(Sid="a")), "Statement IDs (SID) in a single policy must be unique."),
        (policy_text(allow("<&>:x")), "Vendor <&> is not valid"),
        (policy_text(allow("\ud800\x00:x")), "Vendor \ufffd\ufffd is not valid"),
    ],
)
def test_a_malformed_document_is_a_typed_exception(stack: IamStack, text: str, message: str) -> None:
    """The message arrives whole, for inline and managed policies, and nothing is written."""
    iam = stack.iam()
    calls = {
        "PutUserPolicy": lambda: iam.put_user_policy(UserName="caller", PolicyName="bad", PolicyDocument=text),
        "CreatePolicy": lambda: iam.create_policy(PolicyName="bad", PolicyDocument=text),
    }
    for call in calls.values():
        with pytest.raises(iam.exceptions.MalformedPolicyDocumentException) as refused:
            call()
        assert refused.value.response["Error"]["Message"] == message
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user_policy(UserName="caller", PolicyName="bad")


def test_a_variable_is_the_callers_own_name(stack: IamStack, account: str) -> None:
    """A user may read itself and no other."""
    keys = user(stack, "self", allow("iam:GetUser", "arn:aws:iam::*:user/${aws:username}"))
    iam = stack.iam_as(keys)
    assert iam.get_user(UserName="self")["User"]["UserName"] == "self"
    assert denial(iam.get_user, UserName="admin") == (
        f"User: arn:aws:iam::{account}:user/self is not authorized to perform: iam:GetUser"
        f" on resource: arn:aws:iam::{account}:user/admin because no identity-based policy allows the iam:GetUser action"
    )


def test_a_deny_wins_over_an_administrators_allow(stack: IamStack) -> None:
    """The refusal says that the deny is explicit, and in which kind of policy."""
    keys = user(stack, "denied", allow(), deny("iam:List*", Condition={"StringEquals": {"aws:PrincipalType": "User"}}))
    iam = stack.iam_as(keys)
    assert denial(iam.get_user, UserName="admin") == ""
    assert denial(iam.list_users).endswith("with an explicit deny in an identity-based policy")


def test_a_boundary_limits(stack: IamStack) -> None:
    """What the user's policy allows beyond the boundary is refused, by the boundary."""
    keys = user(stack, "bounded", allow(), PermissionsBoundary=BOUNDARY)
    iam = stack.iam_as(keys)
    assert denial(iam.list_users) == ""
    assert denial(iam.create_user, UserName="beyond").endswith(
        "because no permissions boundary allows the iam:CreateUser action"
    )


def test_a_boundary_can_be_demanded(stack: IamStack) -> None:
    """Whoever may create users only with a boundary cannot create one without."""
    only_bounded = {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY}}
    iam = stack.iam_as(user(stack, "delegate", allow("iam:CreateUser", Condition=only_bounded)))
    assert denial(iam.create_user, UserName="free") != ""
    assert iam.create_user(UserName="bound", PermissionsBoundary=BOUNDARY)["User"]["UserName"] == "bound"


def test_tags_of_the_request_decide(stack: IamStack) -> None:
    """A tag must have one of the values, and there may be no other tag."""
    condition = {
        "StringEquals": {"aws:RequestTag/team": ["red", "blue"]},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    statements = (allow("iam:CreateUser"), allow("iam:TagUser", Condition=condition))
    iam = stack.iam_as(user(stack, "tagger", *statements))

    def create(name: str, **tags: str) -> str:
        return denial(iam.create_user, UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    assert create("t-red", team="red") == ""
    assert create("t-green", team="green") != ""
    assert create("t-two", team="red", cost="1") != ""


def test_tags_of_caller_and_resource_meet(stack: IamStack) -> None:
    """A user may delete users of its own team."""
    own_team = {"StringEquals": {"iam:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    team = {"Tags": [{"Key": "team", "Value": "red"}]}
    keys = user(stack, "lead", allow("iam:DeleteUser", Condition=own_team), **team)
    stack.iam().create_user(UserName="mate", **team)
    stack.iam().create_user(UserName="stranger", Tags=[{"Key": "team", "Value": "blue"}])
    stack.sleep(PUBLISHED_S)
    iam = stack.iam_as(keys)
    assert denial(iam.delete_user, UserName="stranger") != ""
    assert denial(iam.delete_user, UserName="mate") == ""


def test_a_permission_ends_with_its_date(stack: IamStack) -> None:
    """The condition is judged on the stack's clock at each call, with no change of any policy."""
    until = datetime.fromtimestamp(stack.now_s + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = user(stack, "guest", allow("iam:ListUsers", Condition={"DateLessThan": {"aws:CurrentTime": until}}))
    iam = stack.iam_as(keys)
    assert denial(iam.list_users) == ""
    stack.sleep(60)
    assert denial(iam.list_users) != ""


@pytest.mark.parametrize(
    ("name", "condition", "allowed"),
    [
        ("mfa", {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, False),
        ("mfa-if-exists", {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}, True),
        ("mfa-absent", {"Null": {"aws:MultiFactorAuthPresent": "true"}}, True),
        ("here", {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ("elsewhere", {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}}, False),
        ("by-boto3", {"StringLike": {"aws:UserAgent": "Boto3/*"}}, True),
        ("self-arn", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/c-*"}}, True),
        ("plain-http", {"Bool": {"aws:SecureTransport": "true"}}, False),
    ],
)
def test_the_request_has_its_keys(stack: IamStack, name: str, condition: dict[str, Any], allowed: bool) -> None:
    """Keys of the caller and of the connection, as a long-term key over plain HTTP has them."""
    iam = stack.iam_as(user(stack, f"c-{name}", allow("iam:ListUsers", Condition=condition)))
    assert (denial(iam.list_users) == "") is allowed


def test_a_session_policy_limits_its_session(stack: IamStack, account: str) -> None:
    """A session has what role and session policy both allow; without one, what the role allows."""
    admin = stack.iam()
    trust = policy_text(trusting({"AWS": account}))
    role = admin.create_role(RoleName="wide", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    admin.put_role_policy(RoleName="wide", PolicyName="own", PolicyDocument=policy_text(allow("iam:List*")))
    keys = user(stack, "assumer", allow("sts:AssumeRole", role))
    sts = stack.client("sts", keys, STS_NODE)

    def session(**params: Any) -> Any:
        found = sts.assume_role(RoleArn=role, RoleSessionName="job", **params)["Credentials"]
        return stack.iam_as(Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]))

    wide, narrow = session(), session(Policy=policy_text(allow("iam:ListRoles"), allow("iam:GetUser")))
    assert denial(wide.list_users) == denial(wide.list_roles) == denial(narrow.list_roles) == ""
    assert denial(narrow.list_users).endswith("because no session policy allows the iam:ListUsers action")
    assert denial(narrow.get_user, UserName="admin").endswith("because no identity-based policy allows the iam:GetUser action")


def test_an_external_id_guards_a_role(stack: IamStack, account: str) -> None:
    """The trust policy's condition is judged with the parameters of the call."""
    condition = {"StringEquals": {"sts:ExternalId": "agreed"}}
    trust = policy_text(trusting({"AWS": account}, Condition=condition))
    role = stack.iam().create_role(RoleName="guarded", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sts = stack.client("sts", user(stack, "partner", allow("sts:AssumeRole", role)), STS_NODE)
    assert denial(sts.assume_role, RoleArn=role, RoleSessionName="job") != ""
    assert denial(sts.assume_role, RoleArn=role, RoleSessionName="job", ExternalId="guessed") != ""
    assert denial(sts.assume_role, RoleArn=role, RoleSessionName="job", ExternalId="agreed") == ""


def test_a_simulation_decides_as_the_region_does(stack: IamStack) -> None:
    """SimulatePrincipalPolicy gives for the user's own calls what the calls themselves got."""
    statements = (allow("iam:Get*"), deny("iam:GetRole", "arn:aws:iam::*:role/web"), allow("iam:ListUsers"))
    keys = user(stack, "twin", *statements)
    mine, admin = stack.iam_as(keys), stack.iam()
    arn = admin.get_user(UserName="twin")["User"]["Arn"]
    web, app = (admin.get_role(RoleName=name)["Role"]["Arn"] for name in ("web", "app"))
    calls: list[tuple[str, str, str]] = [
        ("iam:GetRole", web, denial(mine.get_role, RoleName="web")),
        ("iam:GetRole", app, denial(mine.get_role, RoleName="app")),
        ("iam:ListUsers", "*", denial(mine.list_users)),
        ("iam:ListRoles", "*", denial(mine.list_roles)),
    ]
    for action, resource, refused in calls:
        (found,) = admin.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource])[
            "EvaluationResults"
        ]
        assert (found["EvalDecision"] == "allowed") is (refused == ""), (action, resource)
        assert ("explicit deny" in refused) is (found["EvalDecision"] == "explicitDeny")


def test_a_stored_document_comes_back_as_it_was_written(stack: IamStack) -> None:
    """White space, order and characters beyond ASCII survive, for the text is what is stored."""
    text = json.dumps({"Version": "2012-10-17", "Id": "é ÿ", "Statement": [allow("s3:Get*", "*", Sid="x")]}, indent=3)
    iam = stack.iam()
    iam.create_user(UserName="kept")
    iam.put_user_policy(UserName="kept", PolicyName="own", PolicyDocument=text)
    assert iam.get_user_policy(UserName="kept", PolicyName="own")["PolicyDocument"] == json.loads(text)
