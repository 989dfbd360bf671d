"""Policies of secrets, with boto3: they let callers in whom their own policies do not, and keep out whom those let in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.iam_clients import IamStack, iam_stack
from support.simulated_aws import DAY_S, refusal, temporary

VAULT = "sydney.vault"
NOBODY = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(effect: str, principal: Any, action: str = "secretsmanager:GetSecretValue", **more: Any) -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def stack() -> Any:
    with iam_stack() as stack:
        stack.iam().create_user(UserName="reader")
        stack.credentials("reader")  # made now, so that the regions know it in a moment
        stack.sleep(3)
        yield stack


def secrets(stack: IamStack, user: str = "admin", node: str = VAULT) -> Any:
    return stack.client("secretsmanager", stack.credentials(user), node)


def arn(stack: IamStack, name: str) -> str:
    account = stack.iam().get_user()["User"]["Arn"].split(":")[4]
    return f"arn:aws:iam::{account}:{name}"


def reads(stack: IamStack, user: str = "reader", secret: str = "sample") -> str:
    client = secrets(stack, user)
    try:
        client.get_secret_value(SecretId=secret)
    except client.exceptions.ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "ok"


def test_a_policy_lets_in_whom_nothing_else_does(stack: IamStack) -> None:
    """A user by name needs no policy of its own; the account alone gives nothing; taken away, the secret is closed again."""
    owner = secrets(stack)
    assert reads(stack) == "AccessDeniedException"
    for principal, expected in (
        ({"AWS": arn(stack, "user/reader")}, "ok"),
        ({"AWS": arn(stack, "root")}, "AccessDeniedException"),
        ("*", "ok"),
        ({"AWS": arn(stack, "user/caller")}, "AccessDeniedException"),
    ):
        owner.put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", principal))
        assert reads(stack) == expected, principal
        assert reads(stack, secret="app/database") == "AccessDeniedException"
    owner.put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", "*"))
    owner.delete_resource_policy(SecretId="sample")
    assert reads(stack) == "AccessDeniedException"
    assert "ResourcePolicy" not in owner.get_resource_policy(SecretId="sample")


def test_a_denial_wins_over_every_permission(stack: IamStack) -> None:
    """Of the secret's policy over the administrator's own, of the user's own over the secret's; the message says whose."""
    owner = secrets(stack)
    owner.put_resource_policy(SecretId="sample", ResourcePolicy=document("Deny", {"AWS": arn(stack, "user/admin")}))
    refused = refusal(owner.get_secret_value, SecretId="sample")
    assert refused.code == "AccessDeniedException"
    assert refused.message.endswith("with an explicit deny in a resource-based policy")
    owner.describe_secret(SecretId="sample")
    owner.delete_resource_policy(SecretId="sample")
    assert reads(stack, "admin") == "ok"

    owner.put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", {"AWS": arn(stack, "user/reader")}))
    assert reads(stack) == "ok"
    denial = {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    stack.iam().put_user_policy(UserName="reader", PolicyName="no", PolicyDocument=policy)
    stack.sleep(3)
    assert refusal(secrets(stack, "reader").get_secret_value, SecretId="sample").message.endswith(
        "with an explicit deny in an identity-based policy"
    )


def test_conditions_of_a_policy_are_judged(stack: IamStack) -> None:
    """A version stage that the policy names, and a session of a role by its session name."""
    owner = secrets(stack)
    previous = {"StringEquals": {"secretsmanager:VersionStage": "AWSPREVIOUS"}}
    owner.put_secret_value(SecretId="sample", SecretString="new")
    owner.put_resource_policy(
        SecretId="sample", ResourcePolicy=document("Allow", {"AWS": arn(stack, "user/reader")}, Condition=previous)
    )
    assert reads(stack) == "AccessDeniedException"
    secrets(stack, "reader").get_secret_value(SecretId="sample", VersionStage="AWSPREVIOUS")

    role = stack.iam().get_role(RoleName="app")["Role"]
    owner.put_resource_policy(SecretId="app/api-key", ResourcePolicy=document("Deny", {"AWS": role["Arn"]}, "secretsmanager:*"))
    sts = stack.client("sts", stack.credentials("caller"), "sydney.token.z1")
    made = temporary(sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session"))
    session = stack.client("secretsmanager", made, VAULT)
    session.get_secret_value(SecretId="app/database")
    assert refusal(session.get_secret_value, SecretId="app/api-key").code == "AccessDeniedException"


def test_a_policy_is_its_region_s_and_holds_while_that_is_cut_off(stack: IamStack) -> None:
    """No other region knows of it, and nobody is asked for it: with the home region's directory away it decides as before."""
    secrets(stack).put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", "*"))
    assert "ResourcePolicy" not in secrets(stack, node="melbourne.vault").get_resource_policy(SecretId="sample")
    key = stack.credentials("reader")
    stack.hold("sydney.directory", "pause-iam-replication", regions=["sydney", "melbourne"])
    stack.sleep(DAY_S / 24)
    stack.client("secretsmanager", key, VAULT).get_secret_value(SecretId="sample")


def test_a_principal_is_known_by_its_id(stack: IamStack) -> None:
    """One that is deleted and made anew gets nothing, and the policy shows who it was meant for."""
    owner, reader = secrets(stack), arn(stack, "user/reader")
    old = stack.iam().get_user(UserName="reader")["User"]["UserId"]
    owner.put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", {"AWS": reader}))
    shown = json.loads(owner.get_resource_policy(SecretId="sample")["ResourcePolicy"])
    assert shown["Statement"][0]["Principal"] == {"AWS": reader}
    for key in stack.iam().list_access_keys(UserName="reader")["AccessKeyMetadata"]:
        stack.iam().delete_access_key(UserName="reader", AccessKeyId=key["AccessKeyId"])
    stack.iam().delete_user(UserName="reader")
    stack.iam().create_user(UserName="reader")
    stack.sleep(3)
    stack.credentials("reader")
    stack.sleep(3)
    assert reads(stack) == "AccessDeniedException"
    shown = json.loads(owner.get_resource_policy(SecretId="sample")["ResourcePolicy"])
    assert shown["Statement"][0]["Principal"] == {"AWS": old}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This policy contains invalid Json"),
        (document("Allow", {"AWS": "arn:aws:iam::123456789012:nobody"}), "unsupported principal"),
        (document("Perhaps", "*"), ""),
        (json.dumps({"Version": "2012-10-17", "Statement": [NOBODY]}), "Principal"),
    ],
)
def test_what_is_no_policy_of_a_secret_is_refused(stack: IamStack, text: str, message: str) -> None:
    """By PutResourcePolicy and ValidateResourcePolicy alike, with the exception of the model, and nothing is kept."""
    owner = secrets(stack)
    for call in (owner.put_resource_policy, owner.validate_resource_policy):
        refused = refusal(call, SecretId="sample", ResourcePolicy=text)
        assert refused.exception == "MalformedPolicyDocumentException"
        assert message in refused.message
    assert "ResourcePolicy" not in owner.get_resource_policy(SecretId="sample")


def test_a_user_of_this_account_has_to_exist(stack: IamStack) -> None:
    """As in trust policies; those of other accounts are taken as they are."""
    owner = secrets(stack)
    refused = refusal(
        owner.put_resource_policy, SecretId="sample", ResourcePolicy=document("Allow", {"AWS": arn(stack, "user/none")})
    )
    assert "unsupported principal" in refused.message
    foreign = document("Allow", {"AWS": "arn:aws:iam::111122223333:role/any"})
    owner.put_resource_policy(SecretId="sample", ResourcePolicy=foreign)


@pytest.mark.parametrize(
    ("more", "is_public"),
    [
        ({}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}}, False),
        ({"Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}}, True),
        ({"Condition": {"StringLike": {"aws:PrincipalArn": "*"}}}, True),
    ],
)
def test_broad_access_is_seen(stack: IamStack, more: dict[str, Any], is_public: bool) -> None:
    """It fails validation, and is refused where the caller wants it blocked; by default it is not."""
    owner, text = secrets(stack), document("Allow", "*", **more)
    found = owner.validate_resource_policy(SecretId="sample", ResourcePolicy=text)
    assert found["PolicyValidationPassed"] is not is_public
    if is_public:
        blocked = refusal(owner.put_resource_policy, SecretId="sample", ResourcePolicy=text, BlockPublicPolicy=True)
        assert blocked.exception == "PublicPolicyException"
    owner.put_resource_policy(SecretId="sample", ResourcePolicy=text)


def test_a_policy_survives_the_node(stack: IamStack) -> None:
    """It is durable before it is acknowledged."""
    secrets(stack).put_resource_policy(SecretId="sample", ResourcePolicy=document("Allow", "*"))
    record = next(record for name, record in stack.world._nodes[VAULT].disk.items() if name.endswith("secret/sample"))
    assert json.loads(record["policy"])["Statement"][0]["Principal"] == "*"
