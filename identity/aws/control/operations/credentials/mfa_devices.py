"""Virtual MFA devices. The seed is told when a device is made and never again; two codes in a row show that a user has it.

Wire facts: docs/reference/aws-wire.md#mfa-devices.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from brownout.identity.aws import arns
from brownout.identity.aws.auth import totp
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import forget_secret, owned_by, without
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.credentials.qr_codes import qr_code_png
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.operations.users.users import user_shape
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import (
    AwsError,
    delete_conflict,
    entity_already_exists,
    limit_exceeded,
    no_such_entity,
)
from brownout.identity.aws.records.credentials import MfaDevice, Secret
from brownout.identity.aws.records.principals import User

MOST_DEVICES = 8
SEED_BYTES = 40  # 64 characters in base 32
LONGEST_LABEL, LABEL_SAFE = 128, "+=,.@-"  # of a device's name in its QR code


@operation("CreateVirtualMFADevice")
def create_virtual_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, path = params["VirtualMFADeviceName"], params.get("Path", "/")
    serial_number = arns.mfa_device(tx.account_id, path, name)
    if tx.get(MfaDevice, serial_number) is not None:
        raise entity_already_exists("MFADevice entity at the same path and name already exists.")
    made = MfaDevice(serial_number, tx.now_s, path, tags=tags_of(params))
    seed = hashlib.sha512(f"{tx.new_uuid()} {tx.new_uuid()}".encode()).digest()[:SEED_BYTES]
    tx.put(made, Secret(serial_number, seed.hex()))
    text = base64.b32encode(seed)
    shape = {"SerialNumber": serial_number, "Base32StringSeed": text, "QRCodePNG": _qr_code(tx.account_id, name, text)}
    return {"VirtualMFADevice": {**shape, **({"Tags": tag_list(made.tags)} if made.tags else {})}}


def _qr_code(account_id: str, name: str, seed: bytes) -> bytes:
    """What a phone reads the seed from; of a very long name it is told the beginning."""
    label = f"Amazon%20Web%20Services:{quote(name[:LONGEST_LABEL], safe=LABEL_SAFE)}@{account_id}"
    told = f"otpauth://totp/{label}?secret={seed.decode()}&issuer=Amazon%20Web%20Services"
    return qr_code_png(told.encode())


@operation("EnableMFADevice")
def enable_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user, device = known_user(tx, params["UserName"]), known_device(tx, params["SerialNumber"])
    if device.user_name:
        raise entity_already_exists("MFA Device is already in use.")
    owned = owned_by(tx, user.name)
    if len(owned.mfa_devices) >= MOST_DEVICES:
        raise limit_exceeded(f"Cannot exceed quota for MFADevicesPerUser: {MOST_DEVICES}")
    _check_codes(tx, device, params)
    tx.put(replace(device, user_name=user.name, enabled_s=tx.now_s))
    tx.put(replace(owned, mfa_devices=(*owned.mfa_devices, device.serial_number)))


def known_device(tx: Transaction, serial_number: str) -> MfaDevice:
    """The device of that serial number; raises NoSuchEntity."""
    found = tx.get(MfaDevice, serial_number)
    if found is None:
        raise no_such_entity(f"VirtualMFADevice with serial number {serial_number} doesn't exist.")
    return found


def _check_codes(tx: Transaction, device: MfaDevice, params: OperationParams) -> None:
    """Raises InvalidAuthenticationCode unless the codes are two in a row of the device, near to now."""
    secret = tx.get(Secret, device.serial_number)
    assert secret is not None, "a device has a seed"
    codes = params["AuthenticationCode1"], params["AuthenticationCode2"]
    if not totp.are_consecutive(bytes.fromhex(secret.value), *codes, tx.now_s):
        raise AwsError.of("InvalidAuthenticationCode", "Authentication code for device is not valid.")


@operation("ResyncMFADevice")
def resync_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """The codes of a device that is in step are good; there is no drift to be stored."""
    _check_codes(tx, _device_of(tx, known_user(tx, params["UserName"]), params), params)


@operation("DeactivateMFADevice")
def deactivate_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    user = meant_user(tx, params, caller)
    device, owned = _device_of(tx, user, params), owned_by(tx, user.name)
    tx.put(replace(device, user_name="", enabled_s=0.0))
    tx.put(replace(owned, mfa_devices=without(owned.mfa_devices, device.serial_number)))


def _device_of(tx: Transaction, user: User, params: OperationParams) -> MfaDevice:
    """The device, which must be the user's; raises NoSuchEntity."""
    device = known_device(tx, params["SerialNumber"])
    if device.user_name != user.name:
        raise no_such_entity("MFADevice invalid for user.")
    return device


@operation("DeleteVirtualMFADevice")
def delete_virtual_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    device = known_device(tx, params["SerialNumber"])
    if device.user_name:
        raise delete_conflict("Cannot delete entity, must deactivate MFA device first.")
    tx.delete(device)
    forget_secret(tx, device.serial_number)


@operation("GetMFADevice")
def get_mfa_device(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    device = known_device(tx, params["SerialNumber"])
    if "UserName" in params:
        device = _device_of(tx, known_user(tx, params["UserName"]), params)
    return _enabled_shape(device) if device.user_name else {"SerialNumber": device.serial_number}


def _enabled_shape(device: MfaDevice) -> dict[str, object]:
    return {"UserName": device.user_name, "SerialNumber": device.serial_number, "EnableDate": device.enabled_s}


@operation("ListMFADevices")
def list_mfa_devices(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = page(params, sorted(owned_by(tx, meant_user(tx, params, caller).name).mfa_devices))
    return found.result("MFADevices", [_enabled_shape(known_device(tx, serial)) for serial in found.keys])


@operation("ListVirtualMFADevices")
def list_virtual_mfa_devices(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    devices, status = tx.table(MfaDevice), params.get("AssignmentStatus", "Any")
    wanted: Mapping[str, bool] = {"Assigned": True, "Unassigned": False}
    serials = [
        serial for serial in devices.sorted_keys if status not in wanted or wanted[status] == bool(devices[serial].user_name)
    ]
    found = page(params, serials)
    return found.result("VirtualMFADevices", [_virtual_shape(tx, devices[serial]) for serial in found.keys])


def _virtual_shape(tx: Transaction, device: MfaDevice) -> OperationResult:
    """A device as lists tell of it: without its seed."""
    if not device.user_name:
        return {"SerialNumber": device.serial_number}
    user = user_shape(tx, known_user(tx, device.user_name))
    return {"SerialNumber": device.serial_number, "User": user, "EnableDate": device.enabled_s}
