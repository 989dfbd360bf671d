"""GetScopedCredentials with real boto3 clients: the same session, which may do less and ends no later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.aws.auth.caller import Credentials
from support.aws_roles import allow, document, role, trust
from support.simulated_aws import SimulatedAws, refusal, temporary

ONE = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def session(aws: SimulatedAws, **more: Any) -> tuple[Any, Credentials]:
    """A session of the role `app`, and a client of it."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    made = temporary(sts.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job", **more))
    return aws.client("sts", made), made


@pytest.fixture
def next_role(aws: SimulatedAws) -> str:
    """A role that sessions of `app` may assume."""
    made = role(aws.maker.account_id, "next", trust({"AWS": aws.maker.role_arn("app")}))
    aws.maker.put(made)
    aws.publish()
    return str(made.arn)


def outcome(aws: SimulatedAws, credentials: Credentials, role_arn: str) -> str:
    sts = aws.client("sts", credentials)
    try:
        sts.assume_role(RoleArn=role_arn, RoleSessionName="next")
    except sts.exceptions.ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "ok"


def test_the_session_stays_who_it_is(aws: SimulatedAws) -> None:
    """Name, id, end and source identity are those of the caller's session; the token tells its size."""
    sts, before = session(aws)
    made = sts.get_scoped_credentials(Policy=policy(ALL))
    seen = aws.client("sts", temporary(made)).get_caller_identity()
    assert seen["Arn"] == made["SessionInfo"]["Arn"] == sts.get_caller_identity()["Arn"]
    assert seen["UserId"] == made["SessionInfo"]["ScopedSessionId"]
    assert made["Credentials"]["Expiration"].timestamp() == int(aws.now_s) + 3600
    assert made["Credentials"]["AccessKeyId"] != before.access_key_id
    assert made["SessionTokenSize"] == len(made["Credentials"]["SessionToken"])
    assert made["ScopedPoliciesCount"] == 1


def test_a_scope_takes_away_and_never_adds(aws: SimulatedAws, next_role: str) -> None:
    """What the session may do and every scope allows, and nothing else; a resource's policy does not help over it."""
    sts, made = session(aws)
    assert outcome(aws, made, next_role) == "ok"
    narrow = temporary(sts.get_scoped_credentials(Policy=policy({**ONE, "Resource": f"{next_role}-other"})))
    assert outcome(aws, narrow, next_role) == "AccessDenied"
    wide = temporary(sts.get_scoped_credentials(Policy=policy(ONE)))
    assert outcome(aws, wide, next_role) == "ok"
    denying = temporary(sts.get_scoped_credentials(Policy=policy(ALL, {**ONE, "Effect": "Deny"})))
    assert outcome(aws, denying, next_role) == "AccessDenied"
    limited, _ = session(aws, Policy=document(allow("s3:*")))
    widened = temporary(limited.get_scoped_credentials(Policy=policy(ALL)))
    assert outcome(aws, widened, next_role) == outcome(aws, session(aws, Policy=document(allow("s3:*")))[1], next_role)


def test_scopes_add_up_to_three(aws: SimulatedAws, next_role: str) -> None:
    """Each call adds one; all of them must allow; a fourth is refused, and a shorter time without a policy is not."""
    sts, _ = session(aws)
    made: Any = None
    for count, text in enumerate((policy(ONE), policy(ALL), policy(ONE)), start=1):
        made = sts.get_scoped_credentials(Policy=text)
        assert made["ScopedPoliciesCount"] == count
        sts = aws.client("sts", temporary(made))
    assert outcome(aws, temporary(made), next_role) == "ok"
    assert refusal(sts.get_scoped_credentials, Policy=policy(ALL)).code == "AccessDenied"
    assert sts.get_scoped_credentials(DurationSeconds=60)["ScopedPoliciesCount"] == 3
    first, _ = session(aws)
    closed = temporary(first.get_scoped_credentials(Policy=policy({**ONE, "Action": "s3:*"})))
    reopened = temporary(aws.client("sts", closed).get_scoped_credentials(Policy=policy(ALL)))
    assert outcome(aws, reopened, next_role) == "AccessDenied"


def test_it_ends_when_it_says_and_never_later(aws: SimulatedAws) -> None:
    """A minute of an hour; more than is left is refused by name; after its end it is expired."""
    sts, _ = session(aws)
    short = temporary(sts.get_scoped_credentials(DurationSeconds=60))
    aws.sleep(30)
    aws.client("sts", short).get_caller_identity()
    aws.sleep(40)
    assert refusal(aws.client("sts", short).get_caller_identity).code == "ExpiredToken"
    refused = refusal(sts.get_scoped_credentials, DurationSeconds=3600)
    assert (refused.exception, refused.status) == ("InsufficientSessionLifetimeException", 400)
    sts.get_scoped_credentials(DurationSeconds=3500)


def test_sessions_of_users_may_scope_down_too(aws: SimulatedAws) -> None:
    """GetSessionToken first, as AWS says; with the long-term key itself it is refused."""
    user = aws.client("sts", aws.maker.key_of("caller"))
    assert refusal(user.get_scoped_credentials, DurationSeconds=60).code == "AccessDenied"
    made = aws.client("sts", temporary(user.get_session_token())).get_scoped_credentials(DurationSeconds=60)
    assert made["SessionInfo"]["Arn"].endswith(":user/caller")
    root = aws.client("sts", temporary(aws.client("sts", aws.maker.key_of("")).get_session_token()))
    assert refusal(root.get_scoped_credentials, DurationSeconds=60).code == "AccessDenied"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "ValidationError"),
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"Policy": policy(ALL), "DurationSeconds": 200_000}, "ValidationError"),
    ],
)
def test_what_cannot_be_meant_is_refused(aws: SimulatedAws, params: dict[str, Any], code: str) -> None:
    """By the codes of the model."""
    sts, _ = session(aws)
    assert refusal(sts.get_scoped_credentials, **params).code == code


def test_a_token_that_is_too_long_is_refused(aws: SimulatedAws) -> None:
    """Three large policies do not fit into a session token."""
    sts, _ = session(aws)
    large = policy(*({**ONE, "Resource": f"arn:aws:iam::123456789012:role/{number:x}{'q' * 40}"} for number in range(14)))
    seen = []
    for _ in range(3):
        try:
            sts = aws.client("sts", temporary(sts.get_scoped_credentials(Policy=large)))
        except sts.exceptions.PackedPolicyTooLargeException as refused:
            seen.append(refused.response["Error"]["Message"])
    assert seen
    assert "at most 4096 are allowed" in seen[0]


def test_the_global_name_does_not_have_it(aws: SimulatedAws) -> None:
    """There the action is unknown."""
    _, made = session(aws)
    sts = aws.client("sts", made, region="us-east-1", host="sts.amazonaws.com")
    assert refusal(sts.get_scoped_credentials, DurationSeconds=60).code == "InvalidAction"
