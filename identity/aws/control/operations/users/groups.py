"""Groups and who is in them. Wire facts: docs/reference/aws-wire.md#users-and-groups."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import known_group, known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.users.users import user_shape
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import delete_conflict, entity_already_exists, limit_exceeded
from brownout.identity.aws.records.principals import Group, User

MOST_GROUPS = 300
MOST_GROUPS_OF_USER = 10


@operation("CreateGroup")
def create_group(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, path = params["GroupName"], params.get("Path", "/")
    if tx.get(Group, name.lower()) is not None:
        raise entity_already_exists(f"Group with name {name} already exists.")
    if len(tx.table(Group)) >= MOST_GROUPS:
        raise limit_exceeded(f"Cannot exceed quota for GroupsPerAccount: {MOST_GROUPS}")
    made = Group(name, tx.new_id(ids.GROUP), arns.group(tx.account_id, path, name), tx.now_s, path)
    tx.put(made)
    return {"Group": group_shape(made)}


def group_shape(group: Group) -> OperationResult:
    """What answers tell of a group."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.group_id,
        "Arn": group.arn,
        "CreateDate": group.created_s,
    }


@operation("GetGroup")
def get_group(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The group with a page of its users, in the order of their names."""
    group, users = known_group(tx, params["GroupName"]), tx.table(User)
    members = [key for key in users.sorted_keys if group.name in users[key].groups] if group.members else []
    assert len(members) == group.members, "members are counted right"
    found = page(params, members)
    return {"Group": group_shape(group), **found.result("Users", [user_shape(tx, users[key]) for key in found.keys])}


@operation("ListGroups")
def list_groups(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    groups, prefix = tx.table(Group), params.get("PathPrefix", "/")
    found = page(params, [key for key in groups.sorted_keys if groups[key].path.startswith(prefix)])
    return found.result("Groups", [group_shape(groups[key]) for key in found.keys])


@operation("ListGroupsForUser")
def list_groups_for_user(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    groups = tx.table(Group)
    found = page(params, sorted(name.lower() for name in known_user(tx, params["UserName"]).groups))
    return found.result("Groups", [group_shape(groups[key]) for key in found.keys])


@operation("DeleteGroup")
def delete_group(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    group = known_group(tx, params["GroupName"])
    conflicts = (
        (group.members, "must remove users from group first"),
        (group.attached, "must detach all policies first"),
        (group.inline, "must delete policies first"),
    )
    for found, what in conflicts:
        if found:
            raise delete_conflict(f"Cannot delete entity, {what}.")
    tx.delete(group)


@operation("AddUserToGroup")
def add_user_to_group(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """Puts the user into the group; one that is in it already stays there."""
    group, user = known_group(tx, params["GroupName"]), known_user(tx, params["UserName"])
    if group.name in user.groups:
        return
    if len(user.groups) >= MOST_GROUPS_OF_USER:
        raise limit_exceeded(f"Cannot exceed quota for GroupsPerUser: {MOST_GROUPS_OF_USER}")
    tx.put(replace(user, groups=(*user.groups, group.name)), replace(group, members=group.members + 1))


@operation("RemoveUserFromGroup")
def remove_user_from_group(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """Takes the user out of the group; one that is not in it is left alone."""
    group, user = known_group(tx, params["GroupName"]), known_user(tx, params["UserName"])
    if group.name not in user.groups:
        return
    assert group.members > 0, "who is in a group was counted"
    left = tuple(name for name in user.groups if name != group.name)
    tx.put(replace(user, groups=left), replace(group, members=group.members - 1))
