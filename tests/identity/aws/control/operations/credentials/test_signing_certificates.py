"""Signing certificates of users."""

from __future__ import annotations

import re

from support.certificates import certificate_and_key
from support.iam_account import IamAccount


def account() -> IamAccount:
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    return iam


def test_a_certificate_is_uploaded_listed_and_deleted() -> None:
    """It is shown as it came, can be switched off, and is its user's alone."""
    iam = account()
    body = certificate_and_key("one")[0]
    made = iam("UploadSigningCertificate", UserName="a", CertificateBody=body)["Certificate"]
    assert re.fullmatch(r"[A-Z2-7]{32}", made["CertificateId"])
    assert iam("ListSigningCertificates", UserName="a")["Certificates"] == [made]
    named = {"UserName": "a", "CertificateId": made["CertificateId"]}
    iam("UpdateSigningCertificate", Status="Inactive", **named)
    assert iam("ListSigningCertificates", UserName="a")["Certificates"][0]["Status"] == "Inactive"
    assert iam.refused("DeleteSigningCertificate", **named | {"UserName": "b"})[0] == "NoSuchEntity"
    assert iam.refused("DeleteUser", UserName="a")[1] == "Cannot delete entity, must delete signing certificates first."
    iam("DeleteSigningCertificate", **named)
    iam("DeleteUser", UserName="a")


def test_what_cannot_be_uploaded() -> None:
    """Text that is no certificate, a certificate twice, and a third one."""
    iam = account()
    bodies = [certificate_and_key(name)[0] for name in ("one", "two", "three")]
    assert iam.refused("UploadSigningCertificate", UserName="a", CertificateBody="x")[0] == "MalformedCertificate"
    iam("UploadSigningCertificate", UserName="a", CertificateBody=bodies[0])
    assert iam.refused("UploadSigningCertificate", UserName="a", CertificateBody=bodies[0])[0] == "DuplicateCertificate"
    iam("UploadSigningCertificate", UserName="a", CertificateBody=bodies[1])
    assert iam.refused("UploadSigningCertificate", UserName="a", CertificateBody=bodies[2])[0] == "LimitExceeded"
