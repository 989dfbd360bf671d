"""Access keys: made, listed, switched off, deleted, and when they were last used.

Wire facts: docs/reference/aws-wire.md#access-keys.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import forget_access_key, new_access_key, owned_by
from brownout.identity.aws.control.operations.callers import meant_owner
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import AccessKey
from brownout.identity.aws.records.principals import LastUsed

MOST_ACCESS_KEYS = 2
NEVER = "N/A"  # region and service of a key that was never used


@operation("CreateAccessKey")
def create_access_key(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The secret is told here and never again."""
    owner = meant_owner(tx, params, caller)
    if len(owned_by(tx, owner).access_keys) >= MOST_ACCESS_KEYS:
        raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {MOST_ACCESS_KEYS}")
    key, secret = new_access_key(tx, owner)
    return {"AccessKey": {**access_key_shape(key), "SecretAccessKey": secret}}


def access_key_shape(key: AccessKey) -> OperationResult:
    """What lists tell of a key."""
    return {
        "UserName": key.user_name,
        "AccessKeyId": key.access_key_id,
        "Status": key.status,
        "CreateDate": key.created_s,
    }


@operation("ListAccessKeys")
def list_access_keys(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = page(params, sorted(owned_by(tx, meant_owner(tx, params, caller)).access_keys))
    keys = tx.table(AccessKey)
    return found.result("AccessKeyMetadata", [access_key_shape(keys[key_id]) for key_id in found.keys])


@operation("UpdateAccessKey")
def update_access_key(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    tx.put(replace(_known_key(tx, params, caller), status=params["Status"]))


@operation("DeleteAccessKey")
def delete_access_key(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    forget_access_key(tx, _known_key(tx, params, caller))


def _known_key(tx: Transaction, params: OperationParams, caller: Caller) -> AccessKey:
    """The key of that user, or of the caller; raises NoSuchEntity for another user's."""
    owner = meant_owner(tx, params, caller)
    return _key_of(tx, params["AccessKeyId"], owner)


def _key_of(tx: Transaction, key_id: str, owner: str | None = None) -> AccessKey:
    found = tx.get(AccessKey, key_id)
    if found is None or owner not in (None, found.user_name):
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return found


@operation("GetAccessKeyLastUsed")
def get_access_key_last_used(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    key = _key_of(tx, params["AccessKeyId"])
    used = tx.get(LastUsed, key.access_key_id)
    if used is None:
        return {"UserName": key.user_name, "AccessKeyLastUsed": {"ServiceName": NEVER, "Region": NEVER}}
    last = {"LastUsedDate": used.at_s, "ServiceName": used.service, "Region": used.region}
    return {"UserName": key.user_name, "AccessKeyLastUsed": last}
