"""SAML providers: metadata, its validity, and private keys of which ids are shown only."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from brownout.identity.aws.control.operations.providers import saml
from brownout.identity.aws.records.credentials import Secret
from support.iam_account import ACCOUNT, START_S, IamAccount
from support.saml_documents import metadata

ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
UNKNOWN = f"arn:aws:iam::{ACCOUNT}:saml-provider/none"
YEAR_S = 365.25 * 86_400


@pytest.fixture
def account() -> IamAccount:
    """An account with one provider."""
    account = IamAccount()
    account("CreateSAMLProvider", Name="idp", SAMLMetadataDocument=metadata(), Tags=[{"Key": "a", "Value": "b"}])
    return account


def shown(account: IamAccount) -> dict[str, Any]:
    return dict(account("GetSAMLProvider", SAMLProviderArn=ARN))


def update(account: IamAccount, **params: Any) -> None:
    account("UpdateSAMLProvider", SAMLProviderArn=ARN, **params)


@cache
def private_key(kind: str = "rsa") -> str:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_provider_shows_what_it_was_made_with(account: IamAccount) -> None:
    """A document without an end of its own is valid for a hundred years."""
    found = shown(account)
    assert found.pop("SAMLProviderUUID")
    assert found == {
        "SAMLMetadataDocument": metadata(),
        "CreateDate": START_S,
        "ValidUntil": START_S + 100 * YEAR_S,
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    listed = {"Arn": ARN, "CreateDate": START_S, "ValidUntil": START_S + 100 * YEAR_S}
    assert account("ListSAMLProviders") == {"SAMLProviderList": [listed]}


def test_new_metadata_brings_its_own_validity(account: IamAccount) -> None:
    """The provider stays the same, its date of creation too."""
    before = shown(account)
    account.now_s += 60
    update(account, SAMLMetadataDocument=metadata(valid_until="2030-01-01T00:00:00Z"))
    after = shown(account)
    assert after["ValidUntil"] == 1893456000.0
    assert {name: after[name] for name in ("CreateDate", "SAMLProviderUUID")} == {
        name: before[name] for name in ("CreateDate", "SAMLProviderUUID")
    }


@pytest.mark.parametrize(
    ("action", "params", "error"),
    [
        (
            "CreateSAMLProvider",
            {"Name": "idp", "SAMLMetadataDocument": metadata()},
            ("EntityAlreadyExists", "Provider with name idp already exists."),
        ),
        (
            "CreateSAMLProvider",
            {"Name": "new", "SAMLMetadataDocument": "x" * 1000},
            ("InvalidInput", "Could not parse metadata"),
        ),
        (
            "UpdateSAMLProvider",
            {"SAMLProviderArn": ARN, "SAMLMetadataDocument": "x" * 1000},
            ("InvalidInput", "Could not parse metadata"),
        ),
        (
            "UpdateSAMLProvider",
            {"SAMLProviderArn": ARN, "AssertionEncryptionMode": "Required"},
            ("InvalidInput", "A private key is required when the assertion encryption mode is Required."),
        ),
        (
            "UpdateSAMLProvider",
            {"SAMLProviderArn": ARN, "RemovePrivateKey": "ASPKNONE000000000001X"},
            ("InvalidInput", "Private key ASPKNONE000000000001X was not found."),
        ),
        ("GetSAMLProvider", {"SAMLProviderArn": UNKNOWN}, ("NoSuchEntity", f"Manifest not found for arn {UNKNOWN}")),
        ("UpdateSAMLProvider", {"SAMLProviderArn": UNKNOWN}, ("NoSuchEntity", f"Manifest not found for arn {UNKNOWN}")),
        ("DeleteSAMLProvider", {"SAMLProviderArn": UNKNOWN}, ("NoSuchEntity", f"Manifest not found for arn {UNKNOWN}")),
        (
            "GetSAMLProvider",
            {"SAMLProviderArn": "arn:aws:s3:::bucket/object"},
            ("InvalidInput", "ARN arn:aws:s3:::bucket/object is not valid."),
        ),
    ],
)
def test_what_is_refused(account: IamAccount, action: str, params: dict[str, Any], error: tuple[str, str]) -> None:
    """Each refusal has a code of the model's."""
    assert account.refused(action, **params) == error


@pytest.mark.parametrize(
    "pem",
    ["no key", private_key("ec"), private_key().replace("PRIVATE", "PUBLIC")],
    ids=["text", "elliptic", "public"],  # the keys are other ones in each worker
)
def test_other_private_keys_are_refused(account: IamAccount, pem: str) -> None:
    """IAM takes RSA keys in PEM."""
    refused = account.refused("UpdateSAMLProvider", SAMLProviderArn=ARN, AddPrivateKey=pem)
    assert refused == ("InvalidInput", "Could not parse private key")


def test_private_keys_are_added_and_removed(account: IamAccount) -> None:
    """Two at most; their ids and times are shown, the keys stay secrets of the directory."""
    for step in range(2):
        account.now_s = START_S + step
        update(account, AddPrivateKey=private_key(), AssertionEncryptionMode="Required")
    first, second = shown(account)["PrivateKeyList"]
    assert (first["Timestamp"], second["Timestamp"]) == (START_S, START_S + 1)
    assert shown(account)["AssertionEncryptionMode"] == "Required"
    assert account.refused("UpdateSAMLProvider", SAMLProviderArn=ARN, AddPrivateKey=private_key())[0] == "LimitExceeded"
    assert account.tables.table(Secret)[first["KeyId"]].value == private_key()
    update(account, RemovePrivateKey=first["KeyId"])
    assert shown(account)["PrivateKeyList"] == [second]
    assert list(account.tables.table(Secret)) == [second["KeyId"]]


def test_a_provider_is_deleted_with_its_keys(account: IamAccount) -> None:
    """Nothing secret is left behind."""
    update(account, AddPrivateKey=private_key())
    account("DeleteSAMLProvider", SAMLProviderArn=ARN)
    assert account("ListSAMLProviders") == {"SAMLProviderList": []}
    assert not account.tables.table(Secret)


def test_the_number_of_providers_is_limited(account: IamAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is told with its name and value."""
    monkeypatch.setattr(saml, "MOST_PROVIDERS", 1)
    refused = account.refused("CreateSAMLProvider", Name="new", SAMLMetadataDocument=metadata())
    assert refused == ("LimitExceeded", "Cannot exceed quota for SAMLProvidersPerAccount: 1")
