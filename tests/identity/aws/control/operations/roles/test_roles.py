"""Roles: what is stored, shown and refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from brownout.identity.aws.control.operations.roles import roles
from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import LastUsed, Role
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, ALLOW_ALL, EC2_TRUST, START_S, IamAccount, trust


@pytest.fixture
def account() -> IamAccount:
    return IamAccount()


@pytest.fixture
def app(account: IamAccount) -> IamAccount:
    """The account with a role `app`."""
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    return account


def test_a_role_has_what_it_was_made_with(account: IamAccount) -> None:
    """CreateRole and GetRole tell the same, and GetRole when it was last used."""
    made = account(
        "CreateRole",
        RoleName="App",
        Path="/team/",
        AssumeRolePolicyDocument=EC2_TRUST,
        Description="runs the app",
        MaxSessionDuration=7200,
        PermissionsBoundary=ADMINISTRATOR_ACCESS,
        Tags=[{"Key": "Team", "Value": "blue"}],
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/App"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    assert unquote(made["AssumeRolePolicyDocument"]) == EC2_TRUST
    assert made["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": ADMINISTRATOR_ACCESS,
    }
    assert (made["CreateDate"], made["MaxSessionDuration"], made["Description"]) == (START_S, 7200, "runs the app")
    assert made["Tags"] == [{"Key": "Team", "Value": "blue"}]
    assert account("GetRole", RoleName="app")["Role"] == {**made, "RoleLastUsed": {}}


def test_defaults_of_a_role(app: IamAccount) -> None:
    """Without more the path is `/` and a session an hour at most; what was not given is not shown."""
    shown = app("GetRole", RoleName="app")["Role"]
    assert (shown["Path"], shown["MaxSessionDuration"]) == ("/", 3600)
    assert not {"Description", "Tags", "PermissionsBoundary"} & set(shown)


def test_documents_are_percent_encoded(app: IamAccount) -> None:
    """All but letters, digits and four signs, as RFC 3986 has it: a space is no plus."""
    shown = app("GetRole", RoleName="app")["Role"]["AssumeRolePolicyDocument"]
    assert shown.startswith("%7B%22Version%22%3A%20%222012-10-17%22")
    assert "+" not in shown


def test_the_last_use_of_a_role_is_shown(app: IamAccount) -> None:
    """Date and region come from what regions report."""
    used = LastUsed("role/app", START_S + 60, "ap-southeast-2", "sts")
    app.tables = app.tables.with_changes({LastUsed: {used.table_key: used}})
    assert app("GetRole", RoleName="app")["Role"]["RoleLastUsed"] == {
        "LastUsedDate": START_S + 60,
        "Region": "ap-southeast-2",
    }


CREATE = {"RoleName": "app", "AssumeRolePolicyDocument": EC2_TRUST}
REFUSED: tuple[tuple[str, dict[str, Any], tuple[str, str]], ...] = (
    ("CreateRole", CREATE, ("EntityAlreadyExists", "Role with name app already exists.")),
    ("CreateRole", CREATE | {"RoleName": "APP"}, ("EntityAlreadyExists", "Role with name APP already exists.")),
    ("GetRole", {"RoleName": "none"}, ("NoSuchEntity", "The role with name none cannot be found.")),
    ("DeleteRole", {"RoleName": "none"}, ("NoSuchEntity", "The role with name none cannot be found.")),
    ("UpdateRole", {"RoleName": "none"}, ("NoSuchEntity", "The role with name none cannot be found.")),
    (
        "UpdateRoleDescription",
        {"RoleName": "none", "Description": ""},
        ("NoSuchEntity", "The role with name none cannot be found."),
    ),
    (
        "UpdateAssumeRolePolicy",
        {"RoleName": "none", "PolicyDocument": EC2_TRUST},
        ("NoSuchEntity", "The role with name none cannot be found."),
    ),
    (
        "CreateRole",
        CREATE | {"RoleName": "new", "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/none"},
        ("NoSuchEntity", f"Scope ARN: arn:aws:iam::{ACCOUNT}:policy/none does not exist or is not attachable."),
    ),
    (
        "CreateRole",
        CREATE | {"RoleName": "new", "Path": "/aws-service-role/ec2.amazonaws.com/"},
        ("ValidationError", "A role with the requested path can only be created through CreateServiceLinkedRole."),
    ),
    (
        "CreateRole",
        CREATE | {"RoleName": "new", "Tags": [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]},
        ("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
    ),
    (
        "CreateRole",
        CREATE | {"RoleName": "new", "AssumeRolePolicyDocument": trust({"AWS": ["1" * 12] * 200})},
        ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"),
    ),
)


@pytest.mark.parametrize(("action", "params", "error"), REFUSED)
def test_what_is_refused(app: IamAccount, action: str, params: dict[str, Any], error: tuple[str, str]) -> None:
    """Each refusal has IAM's code and words and changes nothing."""
    assert app.refused(action, **params) == error


@pytest.mark.parametrize("document", ["", "{", "[]", "{}", ALLOW_ALL])
def test_trust_policies_that_are_none(app: IamAccount, document: str) -> None:
    """Neither creating nor updating takes a document that no trust policy can be."""
    code, _ = app.refused("CreateRole", RoleName="new", AssumeRolePolicyDocument=document)
    assert code == "MalformedPolicyDocument"
    code, _ = app.refused("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=document)
    assert code == "MalformedPolicyDocument"


def test_white_space_does_not_count_against_the_quota(account: IamAccount) -> None:
    """A trust policy may be indented as its author likes."""
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST.replace(",", "," + " \n" * 2000))


def test_roles_are_listed_by_path_and_page(account: IamAccount) -> None:
    """Every role is on one page, in order, and a path prefix leaves the others out."""
    for n in range(7):
        account("CreateRole", RoleName=f"r{n}", Path="/a/" if n % 2 else "/b/", AssumeRolePolicyDocument=EC2_TRUST)
    names, marker = [], {}
    while True:
        found = account("ListRoles", MaxItems=3, **marker)
        names += [role["RoleName"] for role in found["Roles"]]
        if not found["IsTruncated"]:
            break
        marker = {"Marker": found["Marker"]}
    assert names == [f"r{n}" for n in range(7)]
    assert "Marker" not in found
    assert [role["RoleName"] for role in account("ListRoles", PathPrefix="/a")["Roles"]] == ["r1", "r3", "r5"]


def test_updates_change_what_they_name(app: IamAccount) -> None:
    """UpdateRole without a session length falls back to an hour, without a description it keeps it."""
    app("UpdateRole", RoleName="app", Description="one", MaxSessionDuration=43_200)
    assert app("GetRole", RoleName="app")["Role"]["MaxSessionDuration"] == 43_200
    app("UpdateRole", RoleName="app")
    shown = app("GetRole", RoleName="app")["Role"]
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("one", 3600)
    assert app("UpdateRoleDescription", RoleName="app", Description="two")["Role"]["Description"] == "two"
    app("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust({"AWS": "*"}))
    assert unquote(app("GetRole", RoleName="app")["Role"]["AssumeRolePolicyDocument"]) == trust({"AWS": "*"})


def test_a_role_is_deleted_last(app: IamAccount) -> None:
    """What hangs on a role is named, one after the other, until it is free."""
    app("CreateInstanceProfile", InstanceProfileName="web")
    app("AddRoleToInstanceProfile", InstanceProfileName="web", RoleName="app")
    app("AttachRolePolicy", RoleName="app", PolicyArn=ADMINISTRATOR_ACCESS)
    app("PutRolePolicy", RoleName="app", PolicyName="all", PolicyDocument=ALLOW_ALL)
    app("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary=ADMINISTRATOR_ACCESS)
    conflict = "Cannot delete entity, must {} first."
    for what, action, params in (
        (
            "remove roles from instance profile",
            "RemoveRoleFromInstanceProfile",
            {"RoleName": "app", "InstanceProfileName": "web"},
        ),
        ("detach all policies", "DetachRolePolicy", {"RoleName": "app", "PolicyArn": ADMINISTRATOR_ACCESS}),
        ("delete policies", "DeleteRolePolicy", {"RoleName": "app", "PolicyName": "all"}),
    ):
        assert app.refused("DeleteRole", RoleName="app") == ("DeleteConflict", conflict.format(what))
        app(action, **params)
    app("DeleteRole", RoleName="app")
    assert app.refused("GetRole", RoleName="app")[0] == "NoSuchEntity"
    assert not app.tables.table(PolicyUse), "a boundary is given back with its role"


def test_a_role_made_anew_has_another_id(app: IamAccount) -> None:
    """The name is free again at once, the unique id is never."""
    first = app("GetRole", RoleName="app")["Role"]
    app("DeleteRole", RoleName="app")
    second = app("CreateRole", **CREATE)["Role"]
    assert first["Arn"] == second["Arn"]
    assert first["RoleId"] != second["RoleId"]


def test_the_last_use_goes_with_the_role(app: IamAccount) -> None:
    """A role made anew under the name was never used."""
    used = LastUsed("role/app", START_S, "ap-southeast-2", "sts")
    app.tables = app.tables.with_changes({LastUsed: {used.table_key: used}})
    app("DeleteRole", RoleName="App")
    app("CreateRole", **CREATE)
    assert app("GetRole", RoleName="app")["Role"]["RoleLastUsed"] == {}


def test_the_number_of_roles_is_limited(app: IamAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is told with its name and value."""
    monkeypatch.setattr(roles, "MOST_ROLES", 1)
    refused = app.refused("CreateRole", **CREATE | {"RoleName": "new"})
    assert refused == ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1")
    assert len(app.tables.table(Role)) == 1
