"""Versions of managed policies: five at most, one in force, numbers never used twice."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, START_S, IamAccount, allow

ARN = f"arn:aws:iam::{ACCOUNT}:policy/read"


@pytest.fixture
def account() -> IamAccount:
    """An account with the policy `read`, made an hour ago."""
    account = IamAccount()
    account("CreatePolicy", PolicyName="read", PolicyDocument=allow("s3:Get1"))
    account.now_s += 3600
    return account


def add(account: IamAccount, number: int, default: bool = False) -> str:
    """Adds a version that allows s3:GetNUMBER and tells its id."""
    document = allow(f"s3:Get{number}")
    made = account("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=document, SetAsDefault=default)
    return str(made["PolicyVersion"]["VersionId"])


def in_force(account: IamAccount) -> str:
    return str(account("GetPolicy", PolicyArn=ARN)["Policy"]["DefaultVersionId"])


def listed(account: IamAccount) -> list[str]:
    return [version["VersionId"] for version in account("ListPolicyVersions", PolicyArn=ARN)["Versions"]]


def test_a_version_is_in_force_when_it_is_asked_to_be(account: IamAccount) -> None:
    """Without SetAsDefault the old one stays in force; the policy's date of update moves with each version."""
    assert add(account, 2) == "v2"
    assert in_force(account) == "v1"
    assert add(account, 3, default=True) == "v3"
    policy = account("GetPolicy", PolicyArn=ARN)["Policy"]
    assert policy["DefaultVersionId"] == "v3"
    assert (policy["CreateDate"], policy["UpdateDate"]) == (START_S, START_S + 3600)


def test_versions_are_listed_from_the_newest(account: IamAccount) -> None:
    """Over pages too, without their documents."""
    for number in range(2, 6):
        add(account, number)
    assert listed(account) == ["v5", "v4", "v3", "v2", "v1"]
    first = account("ListPolicyVersions", PolicyArn=ARN, MaxItems=2)
    second = account("ListPolicyVersions", PolicyArn=ARN, MaxItems=3, Marker=first["Marker"])
    assert [version["VersionId"] for version in first["Versions"] + second["Versions"]] == listed(account)
    assert not second["IsTruncated"]
    assert {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": START_S} in second["Versions"]


def test_a_version_shows_its_document(account: IamAccount) -> None:
    """Percent-encoded, each version its own."""
    add(account, 2)
    for number in (1, 2):
        shown = account("GetPolicyVersion", PolicyArn=ARN, VersionId=f"v{number}")["PolicyVersion"]
        assert unquote(shown["Document"]) == allow(f"s3:Get{number}")
        assert shown["IsDefaultVersion"] == (number == 1)


def test_five_versions_are_the_most(account: IamAccount) -> None:
    """After one is deleted there is room again, and the number goes on."""
    for number in range(2, 6):
        add(account, number)
    refused = account.refused("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=allow("s3:Get6"))
    assert refused == (
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
    )
    account("DeletePolicyVersion", PolicyArn=ARN, VersionId="v5")
    assert add(account, 6) == "v6"


def test_the_version_in_force_is_not_deleted(account: IamAccount) -> None:
    """Another has to be put in force first."""
    add(account, 2)
    conflict = ("DeleteConflict", "Cannot delete the default version of a policy.")
    assert account.refused("DeletePolicyVersion", PolicyArn=ARN, VersionId="v1") == conflict
    account("SetDefaultPolicyVersion", PolicyArn=ARN, VersionId="v2")
    account("DeletePolicyVersion", PolicyArn=ARN, VersionId="v1")
    assert listed(account) == ["v2"]


@pytest.mark.parametrize("action", ["GetPolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"])
def test_versions_that_do_not_exist(account: IamAccount, action: str) -> None:
    """One message for all three."""
    message = f"Policy {ARN} version v9 does not exist or is not attachable."
    assert account.refused(action, PolicyArn=ARN, VersionId="v9") == ("NoSuchEntity", message)


@pytest.mark.parametrize(
    ("action", "params"),
    [("DeletePolicyVersion", {"VersionId": "v1"}), ("SetDefaultPolicyVersion", {"VersionId": "v1"})],
)
def test_versions_of_aws_are_not_the_accounts(account: IamAccount, action: str, params: dict[str, Any]) -> None:
    """A policy of AWS changes for nobody."""
    refused = account.refused(action, PolicyArn=ADMINISTRATOR_ACCESS, **params)
    assert refused == ("AccessDenied", "Policy is outside your own account.")
