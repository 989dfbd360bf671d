"""Public keys of users for SSH: RSA of 2048 bits and more, given in OpenSSH's form or as PEM, shown in either.

Wire facts: docs/reference/aws-wire.md#ssh-keys-and-certificates.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
    load_ssh_public_key,
)

from brownout.identity.aws import ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import owned_by, without
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import SshPublicKey

MOST_KEYS = 5
FEWEST_BITS = 2048


@operation("UploadSSHPublicKey")
def upload_ssh_public_key(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    user = known_user(tx, params["UserName"])
    parsed, owned = _parsed(params["SSHPublicKeyBody"]), owned_by(tx, user.name)
    if len(owned.ssh_public_keys) >= MOST_KEYS:
        raise limit_exceeded(f"Cannot exceed quota for SSHPublicKeysPerUser: {MOST_KEYS}")
    body = parsed.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    made = SshPublicKey(tx.new_id(ids.PUBLIC_KEY), user.name, body, _fingerprint(body), tx.now_s)
    if any(known.fingerprint == made.fingerprint for known in _keys_of(tx, owned.ssh_public_keys)):
        raise AwsError.of("DuplicateSSHPublicKey", "The SSH public key is already associated with the user.")
    tx.put(made, replace(owned, ssh_public_keys=(*owned.ssh_public_keys, made.key_id)))
    return {"SSHPublicKey": _whole_shape(made, params["SSHPublicKeyBody"])}


def _parsed(text: str) -> RSAPublicKey:
    """Raises InvalidPublicKey for what is no RSA key that is long enough."""
    load = load_ssh_public_key if text.lstrip().startswith("ssh-") else load_pem_public_key
    try:
        found = load(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, RSAPublicKey) or found.key_size < FEWEST_BITS:
        raise AwsError.of("InvalidPublicKey", "The public key is malformed or otherwise invalid.")
    return found


def _fingerprint(body: str) -> str:
    """MD5 of the key's binary form, in pairs of hexadecimal digits."""
    digest = hashlib.md5(base64.b64decode(body.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _keys_of(tx: Transaction, key_ids: tuple[str, ...]) -> list[SshPublicKey]:
    return [tx.table(SshPublicKey)[key_id] for key_id in key_ids]


def _shape(key: SshPublicKey) -> dict[str, object]:
    """What lists tell of a key."""
    return {
        "UserName": key.user_name,
        "SSHPublicKeyId": key.key_id,
        "Status": key.status,
        "UploadDate": key.uploaded_s,
    }


def _whole_shape(key: SshPublicKey, body: str) -> OperationResult:
    return {**_shape(key), "Fingerprint": key.fingerprint, "SSHPublicKeyBody": body}


@operation("GetSSHPublicKey")
def get_ssh_public_key(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    key = _known_key(tx, params["UserName"], params["SSHPublicKeyId"])
    body = key.body
    if params["Encoding"] == "PEM":
        body = _parsed(key.body).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {"SSHPublicKey": _whole_shape(key, body)}


def _known_key(tx: Transaction, user_name: str, key_id: str) -> SshPublicKey:
    """The user's key of that id; raises NoSuchEntity."""
    user, found = known_user(tx, user_name), tx.get(SshPublicKey, key_id)
    if found is None or found.user_name != user.name:
        raise no_such_entity(f"The SSH Public Key with id {key_id} cannot be found.")
    return found


@operation("ListSSHPublicKeys")
def list_ssh_public_keys(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = page(params, sorted(owned_by(tx, meant_user(tx, params, caller).name).ssh_public_keys))
    return found.result("SSHPublicKeys", [_shape(key) for key in _keys_of(tx, found.keys)])


@operation("UpdateSSHPublicKey")
def update_ssh_public_key(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    tx.put(replace(_known_key(tx, params["UserName"], params["SSHPublicKeyId"]), status=params["Status"]))


@operation("DeleteSSHPublicKey")
def delete_ssh_public_key(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    key = _known_key(tx, params["UserName"], params["SSHPublicKeyId"])
    owned = owned_by(tx, key.user_name)
    tx.put(replace(owned, ssh_public_keys=without(owned.ssh_public_keys, key.key_id)))
    tx.delete(key)
