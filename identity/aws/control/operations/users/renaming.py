"""Another name or path for a user or group. What belongs to it goes along, and its unique id stays.

Wire facts: docs/reference/aws-wire.md#users-and-groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import owned_by
from brownout.identity.aws.control.operations.entities import known_group, known_user
from brownout.identity.aws.control.operations.roles.trust import rename_principal
from brownout.identity.aws.control.registry import OperationParams, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import entity_already_exists
from brownout.identity.aws.records.credentials import (
    AccessKey,
    LoginProfile,
    MfaDevice,
    ServiceCredential,
    SigningCertificate,
    SshPublicKey,
    UserCredentials,
)
from brownout.identity.aws.records.principals import Group, LastUsed, User
from brownout.identity.aws.records.published import RegionalLogin

Owned = AccessKey | MfaDevice | SshPublicKey | SigningCertificate | ServiceCredential


@operation("UpdateUser")
def update_user(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = known_user(tx, params["UserName"])
    name, path = params.get("NewUserName", user.name), params.get("NewPath", user.path)
    if name.lower() != user.table_key and tx.get(User, name.lower()) is not None:
        raise entity_already_exists(f"User with name {name} already exists.")
    renamed = replace(user, name=name, path=path, arn=arns.user(tx.account_id, path, name))
    tx.delete(user)
    tx.put(renamed)
    rename_principal(tx, user.arn, renamed.arn)
    if name != user.name:
        _hand_over(tx, user.name, name)


def _hand_over(tx: Transaction, old: str, new: str) -> None:
    """Makes the credentials of the user `old` those of `new`."""
    owned = owned_by(tx, old)
    for credential in _credentials(tx, owned):
        tx.put(replace(credential, user_name=new))
    if owned != UserCredentials(owned.user_name):
        tx.delete(owned)
        tx.put(replace(owned, user_name=new))
    used = tx.get(LastUsed, f"password/{old}")
    if used is not None:
        tx.delete(used)
        tx.put(replace(used, subject=f"password/{new}"))
    _hand_over_login(tx, old, new)


def _credentials(tx: Transaction, owned: UserCredentials) -> Iterator[Owned]:
    """Each credential that is listed."""
    listed: tuple[tuple[type[Owned], tuple[str, ...]], ...] = (
        (AccessKey, owned.access_keys),
        (MfaDevice, owned.mfa_devices),
        (SshPublicKey, owned.ssh_public_keys),
        (SigningCertificate, owned.signing_certificates),
        (ServiceCredential, owned.service_credentials),
    )
    for kind, keys in listed:
        for key in keys:
            found = tx.get(kind, key)
            assert found is not None, "what a user has is there"
            yield found


def _hand_over_login(tx: Transaction, old: str, new: str) -> None:
    profile = tx.get(LoginProfile, old.lower())
    if profile is None:
        return
    tx.delete(profile)
    tx.put(replace(profile, user_name=new))
    for region in tx.regions:
        regional = tx.get(RegionalLogin, f"{region}/{old.lower()}")
        if regional is not None:
            tx.delete(regional)
            tx.put(replace(regional, login=replace(regional.login, user_name=new)))


@operation("UpdateGroup")
def update_group(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    group = known_group(tx, params["GroupName"])
    name, path = params.get("NewGroupName", group.name), params.get("NewPath", group.path)
    if name.lower() != group.table_key and tx.get(Group, name.lower()) is not None:
        raise entity_already_exists(f"Group with name {name} already exists.")
    tx.delete(group)
    tx.put(replace(group, name=name, path=path, arn=arns.group(tx.account_id, path, name)))
    if name != group.name and group.members:
        for user in tx.table(User).values():
            if group.name in user.groups:
                tx.put(replace(user, groups=tuple(name if each == group.name else each for each in user.groups)))
