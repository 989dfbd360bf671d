"""GetSessionToken and GetFederationToken with real boto3 clients, and what their sessions can do."""

from __future__ import annotations

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.auth.totp import code_of, period_of
from brownout.identity.aws.records.credentials import MfaDevice
from brownout.identity.aws.records.published import MfaSeed
from support.aws_roles import allow, document, role, trust, user
from support.simulated_aws import SimulatedAws, refusal, temporary

SEED = b"12345678901234567890"
HOURS_12 = 43_200


def test_a_session_of_a_user_is_the_user(aws: SimulatedAws) -> None:
    """It has the user's own identity and lasts 12 hours."""
    made = aws.client("sts", aws.maker.key_of("caller")).get_session_token()
    assert made["Credentials"]["Expiration"].timestamp() == int(aws.now_s) + HOURS_12
    assert aws.client("sts", temporary(made)).get_caller_identity()["Arn"].endswith(":user/caller")


def test_a_session_of_the_root_lasts_an_hour(aws: SimulatedAws) -> None:
    """Whatever it asks for."""
    made = aws.client("sts", aws.maker.key_of("")).get_session_token(DurationSeconds=7200)
    assert made["Credentials"]["Expiration"].timestamp() == int(aws.now_s) + 3600
    seen = aws.client("sts", temporary(made)).get_caller_identity()
    assert (seen["Arn"], seen["UserId"]) == (arns.root(aws.maker.account_id), aws.maker.account_id)


@pytest.mark.parametrize("operation", ["get_session_token", "get_federation_token"])
def test_sessions_get_no_further_session_of_a_user(aws: SimulatedAws, operation: str) -> None:
    """Both operations need a long-term key."""
    params = {"Name": "bob"} if operation == "get_federation_token" else {}
    sts = aws.client("sts", aws.maker.key_of("caller"))
    for made in (sts.get_session_token(), sts.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")):
        found = refusal(getattr(aws.client("sts", temporary(made)), operation), **params)
        name = "GetFederationToken" if params else "GetSessionToken"
        assert (found.code, found.message) == ("AccessDenied", f"Cannot call {name} with session credentials")


def test_a_device_shown_once_counts_for_the_whole_session(aws: SimulatedAws) -> None:
    """GetSessionToken with a code makes a session with which roles that ask for MFA can be assumed."""
    account = aws.maker.account_id
    serial = arns.mfa_device(account, "/", "phone")
    guarded = role(
        account, "guarded", trust({"AWS": arns.root(account)}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    )
    aws.maker.put(MfaDevice(serial, 0.0, user_name="caller", enabled_s=1.0), MfaSeed(serial, SEED), guarded)
    aws.publish()
    sts = aws.client("sts", aws.maker.key_of("caller"))
    shown = sts.get_session_token(SerialNumber=serial, TokenCode=code_of(SEED, period_of(aws.now_s)))
    aws.client("sts", temporary(shown)).assume_role(RoleArn=guarded.arn, RoleSessionName="job")
    unshown = aws.client("sts", temporary(sts.get_session_token()))
    assert refusal(unshown.assume_role, RoleArn=guarded.arn, RoleSessionName="job").code == "AccessDenied"
    assert refusal(sts.get_session_token, SerialNumber=serial, TokenCode="123456").code == "AccessDenied"


def test_a_users_session_assumes_roles_and_no_more_of_sts(aws: SimulatedAws) -> None:
    """AssumeRole and GetCallerIdentity are all that it can call of STS."""
    session = aws.client("sts", temporary(aws.client("sts", aws.maker.key_of("caller")).get_session_token()))
    session.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    assert refusal(session.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE").code == "AccessDenied"


def test_a_federated_user_is_somebody_of_its_own(aws: SimulatedAws) -> None:
    """The identity has the name that was asked for; of STS only GetCallerIdentity can be called."""
    account = aws.maker.account_id
    made = aws.client("sts", aws.maker.key_of("caller")).get_federation_token(Name="bob")
    assert made["FederatedUser"] == {
        "FederatedUserId": f"{account}:bob",
        "Arn": f"arn:aws:sts::{account}:federated-user/bob",
    }
    session = aws.client("sts", temporary(made))
    assert session.get_caller_identity()["UserId"] == f"{account}:bob"
    assert refusal(session.assume_role, RoleArn=aws.maker.role_arn("app"), RoleSessionName="job").code == "AccessDenied"


def test_federation_needs_a_permission(aws: SimulatedAws) -> None:
    """sts:GetFederationToken on the federated user, and sts:TagSession for tags."""
    account = aws.maker.account_id
    only_bob = allow("sts:GetFederationToken", resource=arns.federated_user(account, "bob"))
    aws.maker.put(user(account, "alice", only_bob))
    alice = aws.client("sts", aws.maker.key_of("alice"))
    aws.publish()
    alice.get_federation_token(Name="bob")
    assert refusal(alice.get_federation_token, Name="carol").code == "AccessDenied"
    assert "sts:TagSession" in refusal(alice.get_federation_token, Name="bob", Tags=[{"Key": "a", "Value": "b"}]).message


def test_federated_sessions_tell_what_they_are_held_to(aws: SimulatedAws) -> None:
    """Session policies and tags are packed and told as for roles."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    made = sts.get_federation_token(Name="bob", Policy=document(allow("s3:*")), DurationSeconds=900)
    assert made["PackedPolicySize"] > 0
    assert made["Credentials"]["Expiration"].timestamp() == int(aws.now_s) + 900
    assert refusal(sts.get_federation_token, Name="bob", Policy="{").exception == "MalformedPolicyDocumentException"


def test_sessions_of_a_deleted_user_end(aws: SimulatedAws) -> None:
    """Once a node knows that the user was deleted, it takes none of the user's sessions."""
    gone = user(aws.maker.account_id, "alice", allow("sts:*"))
    aws.maker.put(gone)
    key = aws.maker.key_of("alice")
    aws.publish()
    session = aws.client("sts", temporary(aws.client("sts", key).get_session_token()))
    session.get_caller_identity()
    aws.maker.remove(gone)
    aws.publish("sydney.token.z1")
    assert refusal(session.get_caller_identity).code == "InvalidClientTokenId"
    assert refusal(aws.client("sts", key).get_caller_identity).code == "InvalidClientTokenId"
