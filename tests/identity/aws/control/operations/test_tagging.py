"""Tags of every kind of thing in IAM that can have some: one story for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.tagging import TAGGABLE
from brownout.identity.aws.records.credentials import MfaDevice, ServerCertificate
from brownout.identity.aws.records.principals import User
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, START_S, IamAccount, iam_model
from support.saml_documents import metadata

IAM = f"arn:aws:iam::{ACCOUNT}"
# By kind: what names one that exists, what one that does not, and the message for the latter.
THINGS = {
    "InstanceProfile": ("web", "none", "Instance Profile none cannot be found."),
    "MFADevice": (f"{IAM}:mfa/phone", f"{IAM}:mfa/none", f"VirtualMFADevice with serial number {IAM}:mfa/none doesn't exist."),
    "OpenIDConnectProvider": (
        f"{IAM}:oidc-provider/idp",
        f"{IAM}:oidc-provider/none",
        f"OpenIDConnect Provider not found for arn {IAM}:oidc-provider/none",
    ),
    "Policy": (f"{IAM}:policy/own", f"{IAM}:policy/none", f"Policy {IAM}:policy/none was not found."),
    "Role": ("app", "none", "The role with name none cannot be found."),
    "SAMLProvider": (
        f"{IAM}:saml-provider/idp",
        f"{IAM}:saml-provider/none",
        f"Manifest not found for arn {IAM}:saml-provider/none",
    ),
    "ServerCertificate": ("site", "none", "The Server Certificate with name none cannot be found."),
    "User": ("alice", "none", "The user with name none cannot be found."),
}
each_kind = pytest.mark.parametrize("kind", sorted(THINGS))


@pytest.fixture
def account() -> IamAccount:
    """An account with one of each."""
    account = IamAccount(
        [
            User("alice", "AIDAALICE000000000001", f"{IAM}:user/alice", START_S),
            MfaDevice(f"{IAM}:mfa/phone", START_S),
            ServerCertificate("site", "ASCASITE0000000000001", f"{IAM}:server-certificate/site", "", START_S, START_S),
        ]
    )
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    account("CreateInstanceProfile", InstanceProfileName="web")
    account("CreatePolicy", PolicyName="own", PolicyDocument=ALLOW_ALL)
    account("CreateOpenIDConnectProvider", Url="https://idp")
    account("CreateSAMLProvider", Name="idp", SAMLMetadataDocument=metadata())
    return account


def called(kind: str, exists: bool = True) -> dict[str, Any]:
    """The parameter that names a thing of the kind."""
    return {TAGGABLE[kind].parameter: THINGS[kind][0 if exists else 1]}


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def test_every_taggable_kind_is_here() -> None:
    """The service model has no other."""
    kinds = {name.removeprefix("Tag") for name in iam_model().operation_names if name.startswith("Tag")}
    assert set(TAGGABLE) == set(THINGS) == kinds


@each_kind
def test_tags_are_set_replaced_and_removed(account: IamAccount, kind: str) -> None:
    """A key in another case replaces the old one, and a key that is not there is removed without an error."""
    on = called(kind)
    account.run(f"Tag{kind}", {**on, "Tags": tags(b="1", a="2")})
    account.run(f"Tag{kind}", {**on, "Tags": tags(B="3", c="")})
    assert account.run(f"List{kind}Tags", on) == {"Tags": tags(B="3", a="2", c=""), "IsTruncated": False}
    account.run(f"Untag{kind}", {**on, "TagKeys": ["b", "none"]})
    first = account.run(f"List{kind}Tags", {**on, "MaxItems": 1})
    assert (first["Tags"], first["IsTruncated"]) == (tags(a="2"), True)
    second = account.run(f"List{kind}Tags", {**on, "MaxItems": 1, "Marker": first["Marker"]})
    assert second == {"Tags": tags(c=""), "IsTruncated": False}


@each_kind
def test_things_that_do_not_exist(account: IamAccount, kind: str) -> None:
    """All three operations refuse in the words of the kind."""
    error = ("NoSuchEntity", THINGS[kind][2])
    assert account.refused(f"Tag{kind}", **called(kind, exists=False), Tags=tags(a="b")) == error
    assert account.refused(f"Untag{kind}", **called(kind, exists=False), TagKeys=["a"]) == error
    assert account.refused(f"List{kind}Tags", **called(kind, exists=False)) == error


def test_what_is_refused(account: IamAccount) -> None:
    """More than fifty tags in all, keys of AWS, and one key twice."""
    account("TagRole", RoleName="app", Tags=tags(**{f"k{n}": "" for n in range(50)}))
    account("TagRole", RoleName="app", Tags=tags(K0="again"))
    assert account.refused("TagRole", RoleName="app", Tags=tags(more=""))[0] == "LimitExceeded"
    assert account.refused("TagRole", RoleName="app", Tags=tags(**{"AWS:x": ""}))[0] == "InvalidInput"
    assert account.refused("TagRole", RoleName="app", Tags=tags(a="", A=""))[0] == "InvalidInput"


def test_policies_of_aws_are_not_tagged(account: IamAccount) -> None:
    """Their tags can be listed, and there are none."""
    assert account("ListPolicyTags", PolicyArn=ADMINISTRATOR_ACCESS) == {"Tags": [], "IsTruncated": False}
    assert account.refused("TagPolicy", PolicyArn=ADMINISTRATOR_ACCESS, Tags=tags(a="b"))[0] == "AccessDenied"
