"""Groups, and which users are in them."""

from __future__ import annotations

import pytest

from brownout.identity.aws.control.operations.users import groups
from support.iam_account import ADMINISTRATOR_ACCESS, ALLOW_ALL, IamAccount


def names(listed: object) -> list[str]:
    assert isinstance(listed, list)
    return [each.get("UserName") or each["GroupName"] for each in listed]


def test_a_group_has_its_users() -> None:
    """Users are put in and taken out, twice without harm, and both sides tell the same."""
    iam = IamAccount()
    made = iam("CreateGroup", GroupName="G", Path="/p/")["Group"]
    iam("CreateGroup", GroupName="empty")
    for name in ("b", "A", "c"):
        iam("CreateUser", UserName=name)
        iam("AddUserToGroup", GroupName="g", UserName=name)
    iam("AddUserToGroup", GroupName="G", UserName="a")
    first = iam("GetGroup", GroupName="g", MaxItems=2)
    assert first["Group"] == made
    assert names(first["Users"]) == ["A", "b"]
    assert names(iam("GetGroup", GroupName="g", Marker=first["Marker"])["Users"]) == ["c"]
    assert names(iam("ListGroupsForUser", UserName="a")["Groups"]) == ["G"]
    iam("RemoveUserFromGroup", GroupName="g", UserName="a")
    iam("RemoveUserFromGroup", GroupName="g", UserName="a")
    assert names(iam("GetGroup", GroupName="g")["Users"]) == ["b", "c"]
    assert iam("ListGroupsForUser", UserName="a")["Groups"] == []
    assert iam("GetGroup", GroupName="empty")["Users"] == []


def test_groups_are_listed_by_path() -> None:
    """A path prefix selects among all groups."""
    iam = IamAccount()
    for name, path in (("b", "/x/"), ("a", "/"), ("c", "/x/y/")):
        iam("CreateGroup", GroupName=name, Path=path)
    assert names(iam("ListGroups")["Groups"]) == ["a", "b", "c"]
    assert names(iam("ListGroups", PathPrefix="/x/")["Groups"]) == ["b", "c"]


def test_what_cannot_be_done() -> None:
    """Doubled and unknown names, quotas, and groups that still hold something."""
    iam = IamAccount()
    iam("CreateGroup", GroupName="g")
    iam("CreateUser", UserName="u")
    assert iam.refused("CreateGroup", GroupName="G") == ("EntityAlreadyExists", "Group with name G already exists.")
    assert iam.refused("GetGroup", GroupName="x") == ("NoSuchEntity", "The group with name x cannot be found.")
    assert iam.refused("AddUserToGroup", GroupName="g", UserName="x")[0] == "NoSuchEntity"
    for number in range(groups.MOST_GROUPS_OF_USER):
        iam("CreateGroup", GroupName=f"g{number}")
        iam("AddUserToGroup", GroupName=f"g{number}", UserName="u")
    code, message = iam.refused("AddUserToGroup", GroupName="g", UserName="u")
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")


def test_there_may_be_so_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """One group too many is LimitExceeded."""
    monkeypatch.setattr(groups, "MOST_GROUPS", 1)
    iam = IamAccount()
    iam("CreateGroup", GroupName="a")
    assert iam.refused("CreateGroup", GroupName="b") == ("LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 1")


@pytest.mark.parametrize(
    ("action", "params", "words"),
    [
        ("AddUserToGroup", {"UserName": "u"}, "must remove users from group first"),
        ("AttachGroupPolicy", {"PolicyArn": ADMINISTRATOR_ACCESS}, "must detach all policies first"),
        ("PutGroupPolicy", {"PolicyName": "p", "PolicyDocument": ALLOW_ALL}, "must delete policies first"),
    ],
)
def test_a_group_that_holds_something_is_not_deleted(action: str, params: dict[str, str], words: str) -> None:
    """DeleteGroup is DeleteConflict, and the words say what is left."""
    iam = IamAccount()
    iam("CreateUser", UserName="u")
    iam("CreateGroup", GroupName="g")
    iam(action, GroupName="g", **params)
    assert iam.refused("DeleteGroup", GroupName="g") == ("DeleteConflict", f"Cannot delete entity, {words}.")


def test_an_empty_group_is_deleted() -> None:
    """Its name is free again."""
    iam = IamAccount()
    iam("CreateGroup", GroupName="g")
    iam("DeleteGroup", GroupName="G")
    assert iam("ListGroups")["Groups"] == []
