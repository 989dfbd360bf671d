"""AssumeRole with real boto3 clients: trust, identity policies, chaining, tags, source identity, session policies, MFA."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.auth.totp import code_of, period_of
from brownout.identity.aws.records.credentials import MfaDevice
from brownout.identity.aws.records.published import MfaSeed
from support.aws_roles import allow, deny, document, role, trust, user
from support.simulated_aws import SimulatedAws, refusal, temporary

SEED = b"12345678901234567890"


class Case:
    """A stack with users `alice` (who may do nothing by her own policies) and `caller`, and roles as a test needs them."""

    def __init__(self, aws: SimulatedAws) -> None:
        self.aws, self.account = aws, aws.maker.account_id
        self.root, self.alice = arns.root(self.account), arns.user(self.account, "/", "alice")
        self.put(user(self.account, "alice"))
        aws.maker.key_of("alice")

    def put(self, *records: Any) -> None:
        self.aws.maker.put(*records)
        self.aws.publish()

    def put_role(self, name: str, *trusts: dict[str, Any], **fields: Any) -> str:
        made = role(self.account, name, *trusts, **fields)
        self.put(made)
        return made.arn

    def sts(self, name: str = "caller", **more: Any) -> Any:
        return self.aws.client("sts", self.aws.maker.key_of(name), **more)

    def assume(self, arn: str, who: Any = None, **params: Any) -> Any:
        """A client with the role's credentials."""
        made = (who or self.sts()).assume_role(RoleArn=arn, RoleSessionName=params.pop("name", "job"), **params)
        return self.aws.client("sts", temporary(made))

    def refused(self, arn: str, who: Any = None, **params: Any) -> tuple[str, str]:
        found = refusal((who or self.sts()).assume_role, **{"RoleArn": arn, "RoleSessionName": "job", **params})
        return found.code, found.message


@pytest.fixture
def case(aws: SimulatedAws) -> Case:
    return Case(aws)


def test_the_account_leaves_it_to_the_callers_policies(case: Case) -> None:
    """A role that trusts the account lets in who may assume it by their own policies, and no other."""
    arn = case.put_role("open", trust({"AWS": case.root}))
    case.assume(arn)
    code, message = case.refused(arn, case.sts("alice"))
    assert code == "AccessDenied"
    assert f"User: {case.alice} is not authorized to perform: sts:AssumeRole on resource: {arn}" in message


def test_a_named_user_needs_no_policy(case: Case) -> None:
    """A role that trusts a user of its own account lets that user in, and nobody else."""
    arn = case.put_role("hers", trust({"AWS": case.alice}))
    case.assume(arn, case.sts("alice"))
    assert case.refused(arn)[0] == "AccessDenied"


def test_a_deny_of_the_callers_counts(case: Case) -> None:
    """An explicit deny of an identity policy beats a trust policy that names the caller."""
    case.put(user(case.account, "alice", deny("sts:AssumeRole")))
    arn = case.put_role("hers", trust({"AWS": case.alice}))
    code, message = case.refused(arn, case.sts("alice"))
    assert (code, "with an explicit deny in an identity-based policy" in message) == ("AccessDenied", True)


def test_a_role_that_is_not_there_looks_like_one_that_does_not_trust(case: Case) -> None:
    """Nobody learns which roles exist."""
    code, message = case.refused(arns.role(case.account, "/", "nothing"))
    assert code == "AccessDenied"
    assert message.startswith(f"User: arn:aws:iam::{case.account}:user/caller is not authorized to perform: sts:AssumeRole")


@pytest.mark.parametrize("arn", ["arn:aws:iam::123456789012:user/alice", "x" * 20, "arn:aws:s3:::bucket-of-mine"])
def test_what_is_no_role_is_invalid(case: Case, arn: str) -> None:
    """The ARN must be one of a role."""
    assert case.refused(arn) == ("ValidationError", f"{arn} is invalid")


def test_a_role_with_a_path_keeps_it_out_of_its_sessions(case: Case) -> None:
    """The ARN of a session has the role's name only, and the role is found by its whole ARN only."""
    arn = case.put_role("deep", trust({"AWS": case.root}), path="/team/")
    assert case.assume(arn).get_caller_identity()["Arn"] == f"arn:aws:sts::{case.account}:assumed-role/deep/job"
    assert case.refused(arns.role(case.account, "/", "deep"))[0] == "AccessDenied"


def test_the_root_user_assumes_no_role(case: Case) -> None:
    """AWS forbids it whatever the policies say."""
    arn = case.put_role("open", trust({"AWS": case.root}))
    assert case.refused(arn, case.sts("")) == ("AccessDenied", "Roles may not be assumed by root accounts.")


def test_an_external_id_is_asked_for(case: Case) -> None:
    """A trust policy may ask for an external id, which must be the right one."""
    arn = case.put_role("ext", trust({"AWS": case.root}, Condition={"StringEquals": {"sts:ExternalId": "42-a"}}))
    case.assume(arn, ExternalId="42-a")
    assert case.refused(arn, ExternalId="42-b")[0] == case.refused(arn)[0] == "AccessDenied"


def test_sessions_last_as_long_as_the_role_lets_them(case: Case) -> None:
    """An hour by default, at most what the role states."""
    arn = case.put_role("long", trust({"AWS": case.root}), max_session_s=7200)
    made = case.sts().assume_role(RoleArn=arn, RoleSessionName="job", DurationSeconds=7200)
    assert made["Credentials"]["Expiration"].timestamp() == int(case.aws.now_s) + 7200
    code, message = case.refused(arn, DurationSeconds=7201)
    assert (code, message) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


def test_chained_sessions_last_an_hour(case: Case) -> None:
    """A role's session that assumes a role gets an hour at most, however long the role's sessions may be."""
    first = case.put_role("first", trust({"AWS": case.root}), inline={"own": document(allow("sts:AssumeRole"))})
    second = case.put_role("second", trust({"AWS": first}), max_session_s=43200)
    session = case.assume(first)
    case.assume(second, session, DurationSeconds=3600)
    assert case.refused(second, session, DurationSeconds=3601)[0] == "ValidationError"


def test_a_trusted_role_is_limited_by_its_session_policies(case: Case) -> None:
    """A trust policy that names a role gives to the role; a session policy still takes away."""
    first = case.put_role("first", trust({"AWS": case.root}), inline={})
    second = case.put_role("second", trust({"AWS": first}))
    case.assume(second, case.assume(first))
    held = case.assume(first, Policy=document(allow("s3:*")))
    assert case.refused(second, held)[0] == "AccessDenied"
    case.assume(second, case.assume(first, Policy=document(allow("sts:AssumeRole"))))


def test_tags_need_a_permission_of_their_own(case: Case) -> None:
    """Session tags need sts:TagSession in the trust policy, and conditions see the tags of the request."""
    tagged = {"Tags": [{"Key": "team", "Value": "blue"}]}
    arn = case.put_role("plain", trust({"AWS": case.root}))
    assert "sts:TagSession" in case.refused(arn, **tagged)[1]
    only_blue = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    arn = case.put_role("tagged", trust({"AWS": case.root}, "sts:AssumeRole", "sts:TagSession", Condition=only_blue))
    case.assume(arn, **tagged)
    assert case.refused(arn, Tags=[{"Key": "team", "Value": "red"}])[0] == "AccessDenied"


def test_transitive_tags_stay(case: Case) -> None:
    """A transitive tag goes on to the next session, where it cannot be changed; another one ends with its session."""
    both = ("sts:AssumeRole", "sts:TagSession")
    first = case.put_role("first", trust({"AWS": case.root}, *both), inline={"own": document(allow("sts:*"))})
    has_team = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    second = case.put_role("second", trust({"AWS": first}, *both), inline={"own": document(allow("sts:*", Condition=has_team))})
    third = case.put_role("third", trust({"AWS": case.root}, *both))
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "job", "Value": "7"}]
    session = case.assume(first, Tags=tags, TransitiveTagKeys=["team"])
    chained = case.assume(second, session)
    case.assume(third, chained)
    code, message = case.refused(second, session, Tags=[{"Key": "TEAM", "Value": "red"}])
    assert (code, "conflicts with a transitive tag key" in message) == ("InvalidParameterValue", True)
    untagged = case.assume(second, case.assume(first, Tags=tags))
    assert case.refused(third, untagged)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "Duplicate tag keys"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "prefixed tag key names are not allowed"),
        ({"Tags": [{"Key": "a", "Value": "1"}], "TransitiveTagKeys": ["b"]}, "must be included in the requested tags"),
    ],
)
def test_tags_that_cannot_be_are_refused(case: Case, params: dict[str, Any], text: str) -> None:
    """Keys are unique whatever their case, none is AWS's own, and only given tags are transitive."""
    arn = case.put_role("tagged", trust({"AWS": case.root}, "sts:AssumeRole", "sts:TagSession"))
    code, message = case.refused(arn, **params)
    assert (code, text in message) == ("InvalidParameterValue", True)


def test_a_source_identity_stays(case: Case) -> None:
    """It needs a permission, goes on to every later session, and can be set once."""
    setting = ("sts:AssumeRole", "sts:SetSourceIdentity")
    first = case.put_role("first", trust({"AWS": case.root}, *setting), inline={"own": document(allow("sts:*"))})
    second = case.put_role("second", trust({"AWS": first}, *setting))
    closed = case.put_role("closed", trust({"AWS": first}))
    session = case.assume(first, SourceIdentity="alice")
    made = session.assume_role(RoleArn=second, RoleSessionName="job")
    assert made["SourceIdentity"] == "alice"
    assert case.refused(second, session, SourceIdentity="bob")[0] == "AccessDenied"
    assert "sts:SetSourceIdentity" in case.refused(closed, session)[1]


def test_session_policies_only_take_away(case: Case) -> None:
    """A session may do what both the role and each session policy allow; managed ones count too."""
    arn = case.put_role("app2", trust({"AWS": case.root}), inline={"own": document(allow("sts:GetAccessKeyInfo"))})
    key = {"AccessKeyId": case.aws.maker.key_of("caller").access_key_id}
    assert case.assume(arn).get_access_key_info(**key)["Account"] == case.account
    held = case.assume(arn, Policy=document(allow("s3:*")))
    assert refusal(held.get_access_key_info, **key).code == "AccessDenied"
    managed = case.assume(arn, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}])
    assert managed.get_access_key_info(**key)["Account"] == case.account
    nothing_more = case.assume(arn, Policy=document(allow("sts:*")))
    assert refusal(nothing_more.decode_authorization_message, EncodedMessage="x").code == "AccessDenied"


def test_packed_size_is_told_and_bounded(case: Case) -> None:
    """The share of the room grows with what is packed, and too much of it is refused."""
    arn = case.put_role("app2", trust({"AWS": case.root}, "sts:AssumeRole", "sts:TagSession"))
    made = case.sts().assume_role(RoleArn=arn, RoleSessionName="job")
    assert "PackedPolicySize" not in made
    small = case.sts().assume_role(RoleArn=arn, RoleSessionName="job", Policy=document(allow("s3:*")))
    assert 0 < small["PackedPolicySize"] < 10
    assert made["SessionTokenSize"] == len(made["Credentials"]["SessionToken"])
    tags = [{"Key": f"key-{n}", "Value": sha256(str(n).encode()).hexdigest() * 2} for n in range(50)]
    found = refusal(case.sts().assume_role, RoleArn=arn, RoleSessionName="job", Tags=tags)
    assert (found.code, found.exception) == ("PackedPolicyTooLarge", "PackedPolicyTooLargeException")


def test_a_session_token_can_be_asked_to_be_long(case: Case) -> None:
    """The token has at least the size that the request wants, and is as good."""
    arn = case.put_role("app2", trust({"AWS": case.root}))
    made = case.sts().assume_role(RoleArn=arn, RoleSessionName="job", MinimumSessionTokenSize=3000)
    assert 3000 <= made["SessionTokenSize"] <= 3003
    assert case.aws.client("sts", temporary(made)).get_caller_identity()["Arn"].endswith("app2/job")


def test_a_malformed_session_policy_is_refused(case: Case) -> None:
    """With the exception that the model names."""
    arn = case.put_role("app2", trust({"AWS": case.root}))
    found = refusal(case.sts().assume_role, RoleArn=arn, RoleSessionName="job", Policy="{")
    assert (found.code, found.exception) == ("MalformedPolicyDocument", "MalformedPolicyDocumentException")


def test_an_unknown_managed_session_policy_is_refused(case: Case) -> None:
    """Its ARN must be one of a policy that is there."""
    arn = case.put_role("app2", trust({"AWS": case.root}))
    assert case.refused(arn, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/NoSuchPolicy"}])[0] == "ValidationError"


def test_mfa_is_checked_in_the_region(case: Case) -> None:
    """A trust policy can ask for a device; its code is right, wrong, or taken before."""
    serial = arns.mfa_device(case.account, "/", "phone")
    case.put(MfaDevice(serial, 0.0, user_name="caller", enabled_s=1.0), MfaSeed(serial, SEED))
    needs = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    arn = case.put_role("guarded", trust({"AWS": case.root}, Condition=needs))
    code = code_of(SEED, period_of(case.aws.now_s))
    assert case.refused(arn)[0] == "AccessDenied"
    assert "invalid MFA one time pass code" in case.refused(arn, SerialNumber=serial, TokenCode="000000")[1]
    assert "must provide both" in case.refused(arn, SerialNumber=serial)[1]
    assert "unable to validate MFA code" in case.refused(arn, SerialNumber=serial + "2", TokenCode=code)[1]
    case.assume(arn, SerialNumber=serial, TokenCode=code)
    assert "invalid MFA one time pass code" in case.refused(arn, SerialNumber=serial, TokenCode=code)[1]
    case.aws.sleep(30)
    case.assume(arn, SerialNumber=serial, TokenCode=code_of(SEED, period_of(case.aws.now_s)))


def test_another_users_device_is_not_taken(case: Case) -> None:
    """The device must be the caller's own."""
    serial = arns.mfa_device(case.account, "/", "phone")
    case.put(MfaDevice(serial, 0.0, user_name="alice", enabled_s=1.0), MfaSeed(serial, SEED))
    arn = case.put_role("open", trust({"AWS": case.root}))
    code = code_of(SEED, period_of(case.aws.now_s))
    assert "unable to validate MFA code" in case.refused(arn, SerialNumber=serial, TokenCode=code)[1]


@pytest.mark.parametrize("name", ["x", "with space", "a" * 65, "semi;colon"])
def test_session_names_have_rules(case: Case, name: str) -> None:
    """A name is of 2 to 64 letters, digits and a few signs: the service checks what clients do not."""
    arn = case.put_role("open", trust({"AWS": case.root}))
    found = refusal(case.sts(parameter_validation=False).assume_role, RoleArn=arn, RoleSessionName=name)
    assert found.code == "ValidationError"
    assert "'roleSessionName' failed to satisfy constraint" in found.message


def test_a_boundary_bounds_what_a_user_may_assume(case: Case) -> None:
    """A permissions boundary without sts:AssumeRole takes it away."""
    arn = case.put_role("open", trust({"AWS": case.root}))
    case.put(user(case.account, "alice", allow("sts:*"), boundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"))
    code, message = case.refused(arn, case.sts("alice"))
    assert (code, "permissions boundary" in message) == ("AccessDenied", True)


def test_sessions_of_a_deleted_role_end_with_its_replication(case: Case) -> None:
    """Once a node knows of the deletion it refuses the sessions, also when a role of the same name is made anew."""
    arn = case.put_role("gone", trust({"AWS": case.root}))
    session = case.assume(arn)
    session.get_caller_identity()
    case.aws.maker.put(role(case.account, "gone", trust({"AWS": case.root}), role_id="AROAANOTHERROLE123456"))
    session.get_caller_identity()
    case.aws.publish()
    assert refusal(session.get_caller_identity).code == "InvalidClientTokenId"
    case.assume(arn).get_caller_identity()


def test_a_deny_by_issue_time_revokes_sessions(case: Case) -> None:
    """A deny of tokens issued before now ends the permissions of old sessions and not of new ones."""
    key = {"AccessKeyId": case.aws.maker.key_of("caller").access_key_id}
    arn = case.put_role("app2", trust({"AWS": case.root}), inline={"own": document(allow("sts:*"))})
    old = case.assume(arn)
    old.get_access_key_info(**key)
    case.aws.sleep(5)
    revoked = deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2025-01-01T00:00:04Z"}})
    case.put_role("app2", trust({"AWS": case.root}), inline={"own": document(allow("sts:*")), "revoked": document(revoked)})
    assert refusal(old.get_access_key_info, **key).code == "AccessDenied"
    assert old.get_caller_identity()["Account"] == case.account
    case.assume(arn).get_access_key_info(**key)
