"""SAML providers.

Private keys decrypt assertions; IAM shows their ids only, and the keys themselves stay in the directory.
Wire facts: docs/reference/aws-wire.md#saml-providers.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import entity_already_exists, invalid_input, limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.providers import SamlProvider
from brownout.identity.aws.saml_metadata import BadMetadata, parse_metadata

MOST_PROVIDERS, MOST_PRIVATE_KEYS = 100, 2
UNLIMITED_S = 100 * 365.25 * 86_400  # validity of a document that states no end


@operation("CreateSAMLProvider")
def create_saml_provider(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, metadata = params["Name"], params["SAMLMetadataDocument"]
    arn = arns.saml_provider(tx.account_id, name)
    valid_until_s = _valid_until_s(metadata, tx.now_s)
    if tx.get(SamlProvider, arn) is not None:
        raise entity_already_exists(f"Provider with name {name} already exists.")
    if len(tx.table(SamlProvider)) >= MOST_PROVIDERS:
        raise limit_exceeded(f"Cannot exceed quota for SAMLProvidersPerAccount: {MOST_PROVIDERS}")
    made = SamlProvider(arn, name, metadata, tx.now_s, valid_until_s, tx.new_id("ASPA"), tags=tags_of(params))
    tx.put(_with_encryption(tx, made, params))
    return {"SAMLProviderArn": arn, **({"Tags": tag_list(made.tags)} if made.tags else {})}


def _valid_until_s(metadata: str, now_s: float) -> float:
    try:
        stated = parse_metadata(metadata).valid_until_s
    except BadMetadata:
        raise invalid_input("Could not parse metadata") from None
    return now_s + UNLIMITED_S if stated is None else stated


def _with_encryption(tx: Transaction, provider: SamlProvider, params: OperationParams) -> SamlProvider:
    """The provider with the request's mode, a key added and another removed; raises InvalidInput, LimitExceeded."""
    keys = dict(provider.private_keys)
    if removed := params.get("RemovePrivateKey"):
        if keys.pop(removed, None) is None:
            raise invalid_input(f"Private key {removed} was not found.")
        tx.delete(Secret(removed, ""))
    if added := params.get("AddPrivateKey"):
        if len(keys) >= MOST_PRIVATE_KEYS:
            raise limit_exceeded(f"Cannot exceed quota for PrivateKeysPerSAMLProvider: {MOST_PRIVATE_KEYS}")
        key_id = tx.new_id("ASPK")
        tx.put(Secret(key_id, checked_private_key(added)))
        keys[key_id] = tx.now_s
    mode = params.get("AssertionEncryptionMode", provider.encryption_mode)
    if mode == "Required" and not keys:
        raise invalid_input("A private key is required when the assertion encryption mode is Required.")
    return replace(provider, private_keys=keys, encryption_mode=mode)


def checked_private_key(pem: str) -> str:
    """The key if it is an RSA key in PEM without a password; raises InvalidInput."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise invalid_input("Could not parse private key")
    return pem


def known_saml_provider(tx: Transaction, arn: str) -> SamlProvider:
    """The provider of that ARN; raises InvalidInput for another kind of ARN, NoSuchEntity."""
    if ":saml-provider/" not in arn:
        raise invalid_input(f"ARN {arn} is not valid.")
    found = tx.get(SamlProvider, arn)
    if found is None:
        raise no_such_entity(f"Manifest not found for arn {arn}")
    return found


@operation("GetSAMLProvider")
def get_saml_provider(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    provider = known_saml_provider(tx, params["SAMLProviderArn"])
    keys = [{"KeyId": key_id, "Timestamp": added_s} for key_id, added_s in provider.private_keys.items()]
    return {
        "SAMLProviderUUID": provider.provider_id,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created_s,
        "ValidUntil": provider.valid_until_s,
        "Tags": tag_list(provider.tags),
        **({"AssertionEncryptionMode": provider.encryption_mode} if provider.encryption_mode else {}),
        **({"PrivateKeyList": keys} if keys else {}),
    }


@operation("ListSAMLProviders")
def list_saml_providers(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    providers = tx.table(SamlProvider)
    return {
        "SAMLProviderList": [
            {"Arn": arn, "ValidUntil": providers[arn].valid_until_s, "CreateDate": providers[arn].created_s}
            for arn in providers.sorted_keys
        ]
    }


@operation("UpdateSAMLProvider")
def update_saml_provider(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    provider = _with_encryption(tx, known_saml_provider(tx, params["SAMLProviderArn"]), params)
    if metadata := params.get("SAMLMetadataDocument"):
        provider = replace(provider, metadata=metadata, valid_until_s=_valid_until_s(metadata, tx.now_s))
    tx.put(provider)
    return {"SAMLProviderArn": provider.arn}


@operation("DeleteSAMLProvider")
def delete_saml_provider(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    provider = known_saml_provider(tx, params["SAMLProviderArn"])
    for key_id in provider.private_keys:
        tx.delete(Secret(key_id, ""))
    tx.delete(provider)
