"""Instance profiles and the one role that each may hold."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.roles import instance_profiles
from support.iam_account import ACCOUNT, EC2_TRUST, START_S, IamAccount


@pytest.fixture
def account() -> IamAccount:
    """An account with the roles `app` and `other` and the profile `web`, which holds `app`."""
    account = IamAccount()
    for name in ("app", "other"):
        account("CreateRole", RoleName=name, AssumeRolePolicyDocument=EC2_TRUST)
    account("CreateInstanceProfile", InstanceProfileName="web", Path="/team/", Tags=[{"Key": "a", "Value": "b"}])
    account("AddRoleToInstanceProfile", InstanceProfileName="web", RoleName="app")
    return account


def test_a_profile_shows_its_role(account: IamAccount) -> None:
    """The role is shown as ListRoles shows it."""
    shown = account("GetInstanceProfile", InstanceProfileName="WEB")["InstanceProfile"]
    assert shown["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/team/web"
    assert shown["InstanceProfileId"].startswith("AIPA")
    assert (shown["CreateDate"], shown["Tags"]) == (START_S, [{"Key": "a", "Value": "b"}])
    assert shown["Roles"] == [role for role in account("ListRoles")["Roles"] if role["RoleName"] == "app"]


def test_profiles_are_listed_by_path_and_by_role(account: IamAccount) -> None:
    """A prefix of the path and the role leave others out."""
    account("CreateInstanceProfile", InstanceProfileName="bare")
    names = lambda found: [profile["InstanceProfileName"] for profile in found["InstanceProfiles"]]  # noqa: E731 (three uses below)
    assert names(account("ListInstanceProfiles")) == ["bare", "web"]
    assert names(account("ListInstanceProfiles", PathPrefix="/team/")) == ["web"]
    assert names(account("ListInstanceProfilesForRole", RoleName="app")) == ["web"]
    assert names(account("ListInstanceProfilesForRole", RoleName="other")) == []
    first = account("ListInstanceProfiles", MaxItems=1)
    assert (names(first), first["IsTruncated"]) == (["bare"], True)
    assert names(account("ListInstanceProfiles", MaxItems=1, Marker=first["Marker"])) == ["web"]


@pytest.mark.parametrize(
    ("action", "params", "error"),
    [
        (
            "CreateInstanceProfile",
            {"InstanceProfileName": "Web"},
            ("EntityAlreadyExists", "Instance Profile Web already exists."),
        ),
        ("GetInstanceProfile", {"InstanceProfileName": "no"}, ("NoSuchEntity", "Instance Profile no cannot be found.")),
        ("DeleteInstanceProfile", {"InstanceProfileName": "no"}, ("NoSuchEntity", "Instance Profile no cannot be found.")),
        (
            "DeleteInstanceProfile",
            {"InstanceProfileName": "web"},
            ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."),
        ),
        (
            "AddRoleToInstanceProfile",
            {"InstanceProfileName": "web", "RoleName": "other"},
            ("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"),
        ),
        (
            "AddRoleToInstanceProfile",
            {"InstanceProfileName": "web", "RoleName": "none"},
            ("NoSuchEntity", "The role with name none cannot be found."),
        ),
        (
            "RemoveRoleFromInstanceProfile",
            {"InstanceProfileName": "web", "RoleName": "other"},
            ("NoSuchEntity", "The role with name other cannot be found in instance profile web."),
        ),
        ("ListInstanceProfilesForRole", {"RoleName": "none"}, ("NoSuchEntity", "The role with name none cannot be found.")),
    ],
)
def test_what_is_refused(account: IamAccount, action: str, params: dict[str, Any], error: tuple[str, str]) -> None:
    """Each refusal has IAM's code and words."""
    assert account.refused(action, **params) == error


def test_a_profile_is_emptied_and_deleted(account: IamAccount) -> None:
    """Its role can go into another profile then."""
    account("RemoveRoleFromInstanceProfile", InstanceProfileName="web", RoleName="app")
    assert account("GetInstanceProfile", InstanceProfileName="web")["InstanceProfile"]["Roles"] == []
    account("DeleteInstanceProfile", InstanceProfileName="web")
    account("CreateInstanceProfile", InstanceProfileName="new")
    account("AddRoleToInstanceProfile", InstanceProfileName="new", RoleName="app")


def test_the_number_of_profiles_is_limited(account: IamAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is told with its name and value."""
    monkeypatch.setattr(instance_profiles, "MOST_PROFILES", 1)
    refused = account.refused("CreateInstanceProfile", InstanceProfileName="new")
    assert refused == ("LimitExceeded", "Cannot exceed quota for InstanceProfilesPerAccount: 1")
