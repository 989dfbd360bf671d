"""Virtual MFA devices: a seed that is told once, and codes that prove that a user has it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from brownout.identity.aws.auth import totp
from brownout.identity.aws.control.operations.credentials import mfa_devices
from brownout.identity.aws.records.credentials import MfaDevice, Secret
from support.iam_account import ACCOUNT, IamAccount

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"


class Phone:
    """A user's device, which has read the seed."""

    def __init__(self, iam: IamAccount, name: str = "phone") -> None:
        self.iam = iam
        made = iam("CreateVirtualMFADevice", VirtualMFADeviceName=name)["VirtualMFADevice"]
        self.serial_number, text = made["SerialNumber"], made["Base32StringSeed"]
        assert len(text) == 64
        assert made["QRCodePNG"].startswith(b"\x89PNG")
        self.seed = totp.seed_bytes(text.decode())

    def codes(self, *, earlier: int = 0) -> dict[str, Any]:
        """The parameters of a call with the codes of the period before and of now."""
        now = totp.period_of(self.iam.now_s) - earlier
        first, second = (totp.code_of(self.seed, period) for period in (now - 1, now))
        return {"SerialNumber": self.serial_number, "AuthenticationCode1": first, "AuthenticationCode2": second}


def account() -> IamAccount:
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    return iam


def test_a_device_is_enabled_resynchronised_and_given_back() -> None:
    """Two codes in a row assign it to the user; deactivated it is nobody's, and can be deleted."""
    iam = account()
    phone = Phone(iam)
    assert phone.serial_number == SERIAL
    assert iam("ListVirtualMFADevices", AssignmentStatus="Unassigned")["VirtualMFADevices"] == [{"SerialNumber": SERIAL}]
    iam("EnableMFADevice", UserName="A", **phone.codes())
    listed = iam("ListMFADevices", UserName="a")["MFADevices"]
    assert listed == [{"UserName": "a", "SerialNumber": SERIAL, "EnableDate": iam.now_s}]
    assert iam("GetMFADevice", SerialNumber=SERIAL, UserName="a")["UserName"] == "a"
    assigned = iam("ListVirtualMFADevices", AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert assigned[0]["User"]["UserName"] == "a"
    assert iam("ListVirtualMFADevices", AssignmentStatus="Unassigned")["VirtualMFADevices"] == []
    iam("ResyncMFADevice", UserName="a", **phone.codes())
    assert iam.refused("DeleteVirtualMFADevice", SerialNumber=SERIAL)[0] == "DeleteConflict"
    assert iam.refused("DeleteUser", UserName="a") == (
        "DeleteConflict",
        "Cannot delete entity, must delete MFA device first.",
    )
    iam("DeactivateMFADevice", UserName="a", SerialNumber=SERIAL)
    assert iam("ListMFADevices", UserName="a")["MFADevices"] == []
    assert iam("GetMFADevice", SerialNumber=SERIAL) == {"SerialNumber": SERIAL}
    iam("DeleteVirtualMFADevice", SerialNumber=SERIAL)
    assert not iam.tables.table(MfaDevice)
    assert not iam.tables.table(Secret)


@pytest.mark.parametrize("change", [{"AuthenticationCode1": "000000"}, {"AuthenticationCode2": "000000"}, {"earlier": 20}])
def test_wrong_codes_are_refused(change: dict[str, Any]) -> None:
    """A wrong code, and two of long ago, are InvalidAuthenticationCode and assign nothing."""
    iam = account()
    phone = Phone(iam)
    codes = phone.codes(earlier=change.get("earlier", 0)) | {key: value for key, value in change.items() if key != "earlier"}
    words = ("InvalidAuthenticationCode", "Authentication code for device is not valid.")
    assert iam.refused("EnableMFADevice", UserName="a", **codes) == words
    iam("EnableMFADevice", UserName="a", **phone.codes())
    assert iam.refused("ResyncMFADevice", UserName="a", **codes) == words


def test_the_codes_in_the_wrong_order_are_refused() -> None:
    """Both codes are the device's, and they do not follow each other."""
    iam = account()
    codes = Phone(iam).codes()
    swapped = codes | {
        "AuthenticationCode1": codes["AuthenticationCode2"],
        "AuthenticationCode2": codes["AuthenticationCode1"],
    }
    assert iam.refused("EnableMFADevice", UserName="a", **swapped)[0] == "InvalidAuthenticationCode"


def test_a_device_is_one_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubled names, devices in use, other users' devices and too many of them are refused."""
    iam = account()
    phone, other = Phone(iam), Phone(iam, "other")
    assert iam.refused("CreateVirtualMFADevice", VirtualMFADeviceName="phone") == (
        "EntityAlreadyExists",
        "MFADevice entity at the same path and name already exists.",
    )
    iam("EnableMFADevice", UserName="a", **phone.codes())
    assert iam.refused("EnableMFADevice", UserName="b", **phone.codes())[0] == "EntityAlreadyExists"
    assert iam.refused("DeactivateMFADevice", UserName="b", SerialNumber=SERIAL)[0] == "NoSuchEntity"
    assert iam.refused("GetMFADevice", UserName="b", SerialNumber=SERIAL)[0] == "NoSuchEntity"
    code, message = iam.refused("DeleteVirtualMFADevice", SerialNumber="arn:aws:iam::1:mfa/x")
    assert (code, message) == ("NoSuchEntity", "VirtualMFADevice with serial number arn:aws:iam::1:mfa/x doesn't exist.")
    monkeypatch.setattr(mfa_devices, "MOST_DEVICES", 1)
    code, message = iam.refused("EnableMFADevice", UserName="a", **other.codes())
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for MFADevicesPerUser: 1")


def test_the_seed_is_told_once() -> None:
    """No list and no other answer shows a seed."""
    iam = account()
    phone = Phone(iam)
    iam("EnableMFADevice", UserName="a", **phone.codes())
    told = str((iam("ListVirtualMFADevices"), iam("ListMFADevices", UserName="a"), iam("GetMFADevice", SerialNumber=SERIAL)))
    assert base64.b32encode(phone.seed).decode() not in told


def test_a_device_may_have_a_long_name() -> None:
    """Its QR code is drawn all the same."""
    made = IamAccount()("CreateVirtualMFADevice", VirtualMFADeviceName="n" * 226)["VirtualMFADevice"]
    assert made["QRCodePNG"].startswith(b"\x89PNG")
