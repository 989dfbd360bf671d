"""Public keys for SSH are taken in two forms and shown in two forms."""

from __future__ import annotations

import re

import pytest

from brownout.identity.aws.control.operations.credentials import ssh_keys
from support.certificates import certificate_and_key, rsa_public_key
from support.iam_account import IamAccount


def account() -> IamAccount:
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    return iam


def upload(iam: IamAccount, body: str, user: str = "a") -> dict[str, str]:
    return dict(iam("UploadSSHPublicKey", UserName=user, SSHPublicKeyBody=body)["SSHPublicKey"])


def test_a_key_is_shown_in_both_forms() -> None:
    """Uploaded in either form, it is found in both with one fingerprint."""
    iam = account()
    ssh, pem = rsa_public_key("one")
    first, second = upload(iam, ssh), upload(iam, pem, "b")
    assert first["Fingerprint"] == second["Fingerprint"]
    assert re.fullmatch(r"([0-9a-f]{2}:){15}[0-9a-f]{2}", first["Fingerprint"])
    asked = {"UserName": "a", "SSHPublicKeyId": first["SSHPublicKeyId"]}
    assert iam("GetSSHPublicKey", Encoding="PEM", **asked)["SSHPublicKey"]["SSHPublicKeyBody"] == pem
    body = iam("GetSSHPublicKey", Encoding="SSH", **asked)["SSHPublicKey"]["SSHPublicKeyBody"]
    assert ssh.startswith(body)


def test_keys_are_listed_switched_off_and_deleted() -> None:
    """A user's keys are its own, and gone when they are deleted."""
    iam = account()
    key = upload(iam, rsa_public_key("one")[0])["SSHPublicKeyId"]
    iam("UpdateSSHPublicKey", UserName="a", SSHPublicKeyId=key, Status="Inactive")
    assert [each["Status"] for each in iam("ListSSHPublicKeys", UserName="a")["SSHPublicKeys"]] == ["Inactive"]
    assert iam("ListSSHPublicKeys", UserName="b")["SSHPublicKeys"] == []
    assert iam.refused("DeleteSSHPublicKey", UserName="b", SSHPublicKeyId=key)[0] == "NoSuchEntity"
    iam("DeleteSSHPublicKey", UserName="a", SSHPublicKeyId=key)
    iam("DeleteUser", UserName="a")


@pytest.mark.parametrize(
    "body",
    ["x" * 20, "ssh-rsa AAAA", rsa_public_key("small", 1024)[0], certificate_and_key("x")[0]],
    ids=["text", "cut", "small", "certificate"],  # the keys are other ones in each worker
)
def test_what_is_no_good_key_is_refused(body: str) -> None:
    """Text of another kind and keys that are too short are InvalidPublicKey."""
    assert account().refused("UploadSSHPublicKey", UserName="a", SSHPublicKeyBody=body)[0] == "InvalidPublicKey"


def test_doubled_and_too_many_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user has each key once, and so many of them."""
    iam = account()
    ssh, pem = rsa_public_key("one")
    upload(iam, ssh)
    assert iam.refused("UploadSSHPublicKey", UserName="a", SSHPublicKeyBody=pem)[0] == "DuplicateSSHPublicKey"
    monkeypatch.setattr(ssh_keys, "MOST_KEYS", 1)
    code, message = iam.refused("UploadSSHPublicKey", UserName="a", SSHPublicKeyBody=rsa_public_key("two")[0])
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for SSHPublicKeysPerUser: 1")
