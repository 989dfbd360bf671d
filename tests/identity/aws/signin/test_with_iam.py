"""Sign-in with what operators make through IAM: login profiles and virtual MFA devices, by boto3."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.core.messages import Request
from support.simulated_aws import SimulatedAws

from .conftest import MELBOURNE, WAIT_S, Console, SecurityKey

PASSWORD = "Correct-horse-7"
REGIONAL, GLOBAL = f"/console?region={MELBOURNE}", "/console"


@pytest.fixture
def iam(console: Console) -> Any:
    """IAM as the administrator, from the other region."""
    aws = SimulatedAws(console.world)
    told = console.world.run(console.world.control("sydney.directory", Request("GET", "/admin/aws/credentials"))).body
    assert told is not None
    admin = Credentials(str(told["access_key_id"]), str(told["secret_access_key"]))
    with mock.patch("botocore.auth.get_current_datetime", side_effect=aws.time):
        yield aws.client("iam", admin, "melbourne.management")


def test_a_login_profile_lets_a_user_in_until_it_is_deleted(console: Console, iam: Any) -> None:
    """CreateLoginProfile, UpdateLoginProfile and DeleteLoginProfile take effect in a region and at home."""
    iam.create_user(UserName="bob")
    iam.create_login_profile(UserName="bob", Password=PASSWORD)
    console.sleep(WAIT_S)
    for target in (REGIONAL, GLOBAL):
        assert console.sign_in(target, username="bob", password=PASSWORD).status == 200
    iam.update_login_profile(UserName="bob", Password=f"{PASSWORD}-new")
    console.sleep(WAIT_S)
    for target in (REGIONAL, GLOBAL):
        assert console.sign_in(target, username="bob", password=PASSWORD).status == 401
        assert console.sign_in(target, username="BOB", password=f"{PASSWORD}-new").status == 200
    iam.delete_login_profile(UserName="bob")
    console.sleep(WAIT_S)
    for target in (REGIONAL, GLOBAL):
        assert console.sign_in(target, username="bob", password=f"{PASSWORD}-new").status == 401


def test_a_change_that_a_region_has_not_heard_of_is_not_in_force_there(console: Console, iam: Any) -> None:
    """During a cut a region goes on with the old password, and the home region already wants the new one."""
    iam.create_user(UserName="bob")
    iam.create_login_profile(UserName="bob", Password=PASSWORD)
    console.sleep(WAIT_S)
    iam.update_login_profile(UserName="bob", Password=f"{PASSWORD}-new")
    console.cut()
    console.sleep(WAIT_S)
    assert console.sign_in(REGIONAL, username="bob", password=PASSWORD).status == 200
    home = "/console?region=ap-southeast-2"
    assert console.sign_in(home, "sydney.token.z1", username="bob", password=PASSWORD).status == 401
    assert console.sign_in(home, "sydney.token.z1", username="bob", password=f"{PASSWORD}-new").status == 200


def test_a_virtual_device_is_asked_for_once_it_is_enabled(console: Console, iam: Any) -> None:
    """CreateVirtualMFADevice alone changes nothing; EnableMFADevice does, and DeactivateMFADevice undoes it."""
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed = seed_bytes(device["Base32StringSeed"].decode())
    serial = device["SerialNumber"]
    console.sleep(WAIT_S)
    assert console.sign_in(REGIONAL).status == 200
    now = period_of(console.world.now())
    iam.enable_mfa_device(
        UserName="alice",
        SerialNumber=serial,
        AuthenticationCode1=code_of(seed, now - 1),
        AuthenticationCode2=code_of(seed, now),
    )
    console.sleep(WAIT_S)
    for target in (REGIONAL, GLOBAL):
        assert console.sign_in(target).status == 401
        assert console.sign_in(target, mfa_code=code_of(seed, period_of(console.world.now()))).status == 200
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial)
    console.sleep(WAIT_S)
    assert console.sign_in(REGIONAL).status == 200


def test_a_security_key_is_a_device_of_its_user(console: Console, iam: Any) -> None:
    """ListMFADevices shows it, and without it the user signs in with the password alone."""
    serial = console.give_key("alice", SecurityKey())
    assert [each["SerialNumber"] for each in iam.list_mfa_devices(UserName="alice")["MFADevices"]] == [serial]
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=serial)
    console.sleep(WAIT_S)
    assert console.sign_in(REGIONAL).status == 200
