"""Server certificates of the account, whose private keys come in and never go out."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.credentials import server_certificates
from brownout.identity.aws.records.credentials import Secret
from support.certificates import NOT_AFTER, certificate_and_key
from support.iam_account import ACCOUNT, IamAccount

BODY, KEY = certificate_and_key("one")


def uploaded(iam: IamAccount, name: str = "Cert", **more: Any) -> Any:
    return iam("UploadServerCertificate", ServerCertificateName=name, CertificateBody=BODY, PrivateKey=KEY, **more)


def test_a_certificate_is_uploaded_and_found() -> None:
    """Metadata tells when it ends; the answer has body and chain and not the key."""
    iam = IamAccount()
    made = uploaded(iam, Path="/x/", CertificateChain=BODY, Tags=[{"Key": "k", "Value": "v"}])
    metadata = made["ServerCertificateMetadata"]
    assert metadata["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/x/Cert"
    assert metadata["Expiration"] == NOT_AFTER.timestamp()
    found = iam("GetServerCertificate", ServerCertificateName="cert")["ServerCertificate"]
    assert found["ServerCertificateMetadata"] == metadata
    assert (found["CertificateBody"], found["CertificateChain"]) == (BODY, BODY)
    assert found["Tags"] == made["Tags"]
    assert KEY.splitlines()[1] not in str(found)


def test_certificates_are_listed_renamed_and_deleted() -> None:
    """A new name or path makes a new ARN; a deleted one leaves no key behind."""
    iam = IamAccount()
    uploaded(iam)
    uploaded(iam, "other", Path="/x/")
    iam("UpdateServerCertificate", ServerCertificateName="cert", NewServerCertificateName="new", NewPath="/y/")
    listed = iam("ListServerCertificates")["ServerCertificateMetadataList"]
    assert [each["Arn"].partition("server-certificate")[2] for each in listed] == ["/y/new", "/x/other"]
    assert len(iam("ListServerCertificates", PathPrefix="/x/")["ServerCertificateMetadataList"]) == 1
    taken = iam.refused("UpdateServerCertificate", ServerCertificateName="new", NewServerCertificateName="OTHER")
    assert taken[0] == "EntityAlreadyExists"
    for name in ("new", "other"):
        iam("DeleteServerCertificate", ServerCertificateName=name)
    assert not iam.tables.table(Secret)
    assert iam.refused("GetServerCertificate", ServerCertificateName="new")[0] == "NoSuchEntity"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"CertificateBody": "no"}, "MalformedCertificate"),
        ({"PrivateKey": "no"}, "MalformedCertificate"),
        ({"CertificateChain": "no"}, "MalformedCertificate"),
        ({"PrivateKey": certificate_and_key("two")[1]}, "KeyPairMismatch"),
        ({"ServerCertificateName": "CERT"}, "EntityAlreadyExists"),
    ],
)
def test_what_cannot_be_uploaded(change: dict[str, str], code: str) -> None:
    """Each part has to be what it claims to be, and the key that of the certificate."""
    iam = IamAccount()
    uploaded(iam)
    params = {"ServerCertificateName": "new", "CertificateBody": BODY, "PrivateKey": KEY} | change
    assert iam.refused("UploadServerCertificate", **params)[0] == code


def test_there_may_be_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """One certificate too many is LimitExceeded."""
    monkeypatch.setattr(server_certificates, "MOST_CERTIFICATES", 0)
    params = {"ServerCertificateName": "new", "CertificateBody": BODY, "PrivateKey": KEY}
    assert IamAccount().refused("UploadServerCertificate", **params)[0] == "LimitExceeded"
