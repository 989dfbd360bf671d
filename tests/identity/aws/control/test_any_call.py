"""Any sequence of calls that the service model allows: no error but IAM's own, results of the model's shape, a sound account.

Parameters are drawn from the model's constraints and, mostly, from what the account has, so that calls meet each other.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from brownout.identity.aws import arns
from brownout.identity.aws.control.operations.policies.known import find_policy
from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.protocol.answers import render
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.records.credentials import (
    AccessKey,
    MfaDevice,
    ServerCertificate,
    ServiceCredential,
    SigningCertificate,
    SshPublicKey,
    UserCredentials,
)
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyUse
from brownout.identity.aws.records.principals import Group, InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.reports import AccessJob
from support.aws_requests import botocore_model, received
from support.aws_shapes import drawn
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, EC2_TRUST, START_S, IamAccount, allow, trust
from support.saml_documents import certificate, metadata

CALLS = 6000
NAMES = ("alice", "Bob", "carol")
POLICIES = tuple(f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in NAMES)
DOCUMENTS = (allow("s3:Get*"), allow("*"), allow("iam:Get*", resource="arn:aws:iam::*:user/${aws:username}"), "{}")


def ssh_public_key() -> str:
    key = rsa.generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


# By member: values that calls have in common.
COMMON: Mapping[str, Sequence[Any]] = {
    **dict.fromkeys(
        (
            "UserName",
            "RoleName",
            "GroupName",
            "PolicyName",
            "InstanceProfileName",
            "NewUserName",
            "NewGroupName",
            "Name",
            "ServerCertificateName",
            "NewServerCertificateName",
            "VirtualMFADeviceName",
        ),
        NAMES,
    ),
    "Path": ("/", "/team/"),
    "PathPrefix": ("/", "/team/"),
    "PolicyArn": (*POLICIES, ADMINISTRATOR_ACCESS),
    "PermissionsBoundary": (*POLICIES, ADMINISTRATOR_ACCESS),
    "PolicyDocument": DOCUMENTS,
    "PolicyInputList": tuple([document] for document in DOCUMENTS),
    "VersionId": ("v1", "v2", "v3", "v4", "v5"),
    "AWSServiceName": ("autoscaling.amazonaws.com", "support.amazonaws.com", "none.amazonaws.com"),
    "Url": ("https://idp.example.com", "https://other.example.com/path"),
    "SAMLMetadataDocument": (metadata(), metadata(valid_until="2030-01-01T00:00:00Z")),
    "Tags": ([{"Key": "a", "Value": "b"}], [{"Key": "A", "Value": ""}, {"Key": "b", "Value": "c"}]),
    "TagKeys": (["a"], ["b", "none"]),
    "ActionNames": (["s3:GetObject"], ["iam:GetUser", "sts:AssumeRole"]),
    "AccountAlias": ("stack", "other"),
    "CertificateBody": (f"-----BEGIN CERTIFICATE-----\n{certificate()}\n-----END CERTIFICATE-----\n",),
    "SSHPublicKeyBody": (ssh_public_key(),),
    "ServiceName": ("codecommit.amazonaws.com",),
    "Password": ("Correct1horse!", "Battery2staple!"),
    "MaxItems": (1, 3, 1000),
}


def trusts() -> list[str]:
    """Trust policies that name users and roles which may exist or not."""
    principals = [arns.user(ACCOUNT, "/", name) for name in NAMES] + [arns.role(ACCOUNT, "/", name) for name in NAMES]
    return [EC2_TRUST, *(trust({"AWS": [principal, ACCOUNT]}) for principal in principals)]


def check_answer(action: str, result: Mapping[str, Any]) -> None:
    """Raises AssertionError for a result that botocore reads differently from the wire."""
    operation = service("iam").operation(action)
    assert operation is not None
    answer = received(botocore_model("iam"), action, render(operation, result or None, "request-1"))
    assert answer.pop("ResponseMetadata")["RequestId"] == "request-1"
    assert plain(answer) == plain(result), action


def plain(value: Any) -> Any:
    """The value with times as seconds and lists as lists."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class AnyCaller:
    """Draws calls and makes them on one account."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.account = IamAccount()
        self._root, arn = self.account.caller, arns.user(ACCOUNT, "/", "alice")
        self._user = self._root._replace(kind="user", arn=arn, principal_arn=arn, user_id="AIDAALICE")
        self.outcomes: Counter[str] = Counter()
        self.succeeded: set[str] = set()
        self._marker = ""

    def call(self, action: str) -> None:
        """One call of the operation; IAM's own errors are outcomes as well."""
        self.account.now_s += self.chance.choice((0.0, 1.0, 3600.0))
        self.account.caller = self.chance.choice((self._root, self._user))
        try:
            result = self.account.run(action, self.params(action))
        except AwsError as error:
            self.outcomes[error.code] += 1
            return
        self._marker = str(result.get("Marker", ""))
        self.outcomes["ok"] += 1
        if action not in self.succeeded:
            check_answer(action, result)
        self.succeeded.add(action)

    def take_down_role(self) -> None:
        """Deletes some role of the account's own after all that hangs on it, as a tool does."""
        roles = [role for role in self.account.tables.table(Role).values() if not role.is_service_linked]
        if not roles:
            return
        role = self.chance.choice(sorted(roles, key=lambda role: role.name))
        on = {"RoleName": role.name}
        for arn in role.attached:
            self.account.run("DetachRolePolicy", {**on, "PolicyArn": arn})
        for name in role.inline:
            self.account.run("DeleteRolePolicy", {**on, "PolicyName": name})
        for profile in self.account("ListInstanceProfilesForRole", **on, MaxItems=1000)["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            self.account.run("RemoveRoleFromInstanceProfile", {**on, "InstanceProfileName": name})
        self.account.run("DeleteRole", on)

    def params(self, action: str) -> dict[str, Any]:
        operation = service("iam").operation(action)
        assert operation is not None
        members = operation.input.members if operation.input else ()
        wanted = [member for member in members if member.required or self.chance.random() < 0.4]
        return {member.name: self.value(action, member.name, member.shape) for member in wanted}

    def value(self, action: str, name: str, shape: Any) -> Any:
        if name == "Marker":
            return self._marker or drawn(shape, self.chance)
        pool = self.pool(action, name)
        return self.chance.choice(pool) if pool and self.chance.random() < 0.95 else drawn(shape, self.chance)

    def pool(self, action: str, name: str) -> Sequence[Any]:
        """What the account has, or what calls have in common, for a member."""
        table = self.account.tables.table
        known: dict[str, Any] = {
            "AccessKeyId": AccessKey,
            "SerialNumber": MfaDevice,
            "SSHPublicKeyId": SshPublicKey,
            "CertificateId": SigningCertificate,
            "ServiceSpecificCredentialId": ServiceCredential,
            "OpenIDConnectProviderArn": OidcProvider,
            "SAMLProviderArn": SamlProvider,
            "JobId": AccessJob,
        }
        if name in known:
            return sorted(table(known[name]))
        if name in ("Arn", "PolicySourceArn", "EntityArn", "CallerArn"):
            holders = [*table(User).values(), *table(Group).values(), *table(Role).values(), *table(ManagedPolicy).values()]
            return sorted(holder.arn for holder in holders)
        if name == "AssumeRolePolicyDocument" or action == "UpdateAssumeRolePolicy":
            return trusts() if name.endswith("Document") else NAMES
        return COMMON.get(name, ())

    def check(self) -> None:
        """Raises AssertionError for an account that contradicts itself."""
        table = self.account.tables.table
        tx = Transaction(self.account.tables, ACCOUNT, now_s=START_S, new_uuid=str, regions={})
        holders = [*table(User).values(), *table(Group).values(), *table(Role).values()]
        attached = Counter(arn for holder in holders for arn in holder.attached)
        bounded = Counter(each.boundary for each in (*table(User).values(), *table(Role).values()) if each.boundary)
        counted = {use.arn: (use.attached, use.as_boundary) for use in table(PolicyUse).values()}
        assert counted == {arn: (attached[arn], bounded[arn]) for arn in {*attached, *bounded}}
        assert all(find_policy(tx, arn) is not None for arn in counted)
        assert {profile.role_name for profile in table(InstanceProfile).values()} <= {
            "",
            *(role.name for role in table(Role).values()),
        }
        groups = {group.name for group in table(Group).values()}
        assert all(set(user.groups) <= groups for user in table(User).values())
        self._check_trusts()
        self._check_credentials()

    def _check_trusts(self) -> None:
        """No trust policy names by ARN what does not exist."""
        table = self.account.tables.table
        there = {each.arn for each in (*table(User).values(), *table(Role).values())}
        for role in table(Role).values():
            parse_document(role.trust, "trust")
            for statement in json.loads(role.trust)["Statement"]:
                named = statement["Principal"].get("AWS", [])
                listed = named if isinstance(named, list) else [named]
                assert all(value in there for value in listed if ":user/" in value or ":role/" in value), role.trust

    def _check_credentials(self) -> None:
        """What a user is said to own exists and is the user's, and nothing belongs to who does not exist."""
        table = self.account.tables.table
        owners = {user.name for user in table(User).values()} | {""}
        kinds: Mapping[str, Any] = {
            "access_keys": AccessKey,
            "ssh_public_keys": SshPublicKey,
            "signing_certificates": SigningCertificate,
            "service_credentials": ServiceCredential,
        }
        for member, kind in kinds.items():
            owned = Counter((each.user_name, key) for each in table(UserCredentials).values() for key in getattr(each, member))
            assert owned == Counter((each.user_name, each.table_key) for each in table(kind).values())
            assert {user_name for user_name, _ in owned} <= owners
        assert {device.user_name for device in table(MfaDevice).values()} <= owners
        assert all(certificate.table_key == key for key, certificate in table(ServerCertificate).items())


@pytest.mark.parametrize("seed", range(3))
def test_any_sequence_of_calls(seed: int) -> None:
    """Whatever comes is answered in IAM's way, and most operations are seen to succeed and to be refused."""
    any_caller = AnyCaller(seed)
    actions = sorted(all_operations())
    for number in range(CALLS):
        any_caller.call(any_caller.chance.choice(actions))
        if number % 20 == 0:
            any_caller.call("CreateRole")
        if number % 100 == 0:
            any_caller.take_down_role()
            any_caller.check()
    any_caller.check()
    assert any_caller.outcomes["ok"] > CALLS / 5, any_caller.outcomes
    assert {"NoSuchEntity", "EntityAlreadyExists", "MalformedPolicyDocument", "InvalidInput"} <= set(any_caller.outcomes)
    assert len(any_caller.succeeded) > 0.8 * len(actions), sorted(set(actions) - any_caller.succeeded)
