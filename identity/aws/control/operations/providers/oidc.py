"""OpenID Connect providers.

Wire facts: docs/reference/aws-wire.md#openid-connect-providers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import (
    entity_already_exists,
    invalid_input,
    limit_exceeded,
    no_such_entity,
    validation_error,
)
from brownout.identity.aws.oidc_urls import BadProviderUrl, provider_name
from brownout.identity.aws.records.providers import OidcProvider

MOST_PROVIDERS, MOST_CLIENT_IDS, MOST_THUMBPRINTS = 100, 100, 5
_HEX = frozenset("0123456789abcdefABCDEF")
NO_CERTIFICATE = "0" * 40  # the thumbprint of a provider that was made without a certificate


@operation("CreateOpenIDConnectProvider")
def create_oidc_provider(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    try:
        name = provider_name(params["Url"])
    except BadProviderUrl:
        raise validation_error("Invalid Open ID Connect Provider URL") from None
    client_ids = tuple(dict.fromkeys(params.get("ClientIDList", ())))
    thumbprints = checked_thumbprints(params.get("ThumbprintList") or (NO_CERTIFICATE,))
    if len(client_ids) > MOST_CLIENT_IDS:
        raise _too_many_client_ids()
    arn = arns.oidc_provider(tx.account_id, name)
    if tx.get(OidcProvider, arn) is not None:
        raise entity_already_exists(f"Provider with url {params['Url']} already exists.")
    if len(tx.table(OidcProvider)) >= MOST_PROVIDERS:
        raise limit_exceeded(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {MOST_PROVIDERS}")
    made = OidcProvider(arn, name, tx.now_s, client_ids, thumbprints, tags_of(params))
    tx.put(made)
    return {"OpenIDConnectProviderArn": arn, **({"Tags": tag_list(made.tags)} if made.tags else {})}


def checked_thumbprints(given: Sequence[str]) -> tuple[str, ...]:
    """The thumbprints as they are stored; raises InvalidInput."""
    if len(given) > MOST_THUMBPRINTS:
        raise invalid_input(f"Thumbprint list must contain fewer than {MOST_THUMBPRINTS} entries.")
    if any(not _HEX.issuperset(thumbprint) for thumbprint in given):
        raise invalid_input("Thumbprint must be a hexadecimal SHA-1 digest.")
    return tuple(dict.fromkeys(given))


def _too_many_client_ids() -> Exception:
    return limit_exceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENT_IDS}")


def known_oidc_provider(tx: Transaction, arn: str) -> OidcProvider:
    """The provider of that ARN; raises InvalidInput for another kind of ARN, NoSuchEntity."""
    if ":oidc-provider/" not in arn:
        raise invalid_input(f"ARN {arn} is not valid.")
    found = tx.get(OidcProvider, arn)
    if found is None:
        raise no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")
    return found


@operation("GetOpenIDConnectProvider")
def get_oidc_provider(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    provider = known_oidc_provider(tx, params["OpenIDConnectProviderArn"])
    return {
        "Url": provider.url,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_s,
        "Tags": tag_list(provider.tags),
        **({"ContextProvider": json.loads(provider.context_provider)} if provider.context_provider else {}),
        **({"IdentityCenterInstanceArn": provider.identity_center_arn} if provider.identity_center_arn else {}),
    }


@operation("ListOpenIDConnectProviders")
def list_oidc_providers(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return {"OpenIDConnectProviderList": [{"Arn": arn} for arn in tx.table(OidcProvider).sorted_keys]}


@operation("DeleteOpenIDConnectProvider")
def delete_oidc_provider(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """Deleting a provider that does not exist succeeds too."""
    found = tx.get(OidcProvider, params["OpenIDConnectProviderArn"])
    if found is not None:
        tx.delete(found)


@operation("AddClientIDToOpenIDConnectProvider")
def add_client_id(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    provider, client_id = known_oidc_provider(tx, params["OpenIDConnectProviderArn"]), params["ClientID"]
    if client_id in provider.client_ids:
        return
    if len(provider.client_ids) >= MOST_CLIENT_IDS:
        raise _too_many_client_ids()
    tx.put(replace(provider, client_ids=(*provider.client_ids, client_id)))


@operation("RemoveClientIDFromOpenIDConnectProvider")
def remove_client_id(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    provider = known_oidc_provider(tx, params["OpenIDConnectProviderArn"])
    kept = tuple(client_id for client_id in provider.client_ids if client_id != params["ClientID"])
    tx.put(replace(provider, client_ids=kept))


@operation("UpdateOpenIDConnectProviderThumbprint")
def update_thumbprints(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    provider = known_oidc_provider(tx, params["OpenIDConnectProviderArn"])
    tx.put(replace(provider, thumbprints=checked_thumbprints(params["ThumbprintList"])))


@operation("UpdateOpenIDConnectProvider")
def update_oidc_provider(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    """Sets or removes either the context provider or the instance of IAM Identity Center."""
    provider = known_oidc_provider(tx, params["OpenIDConnectProviderArn"])
    context = _change(params, "ContextProvider", "RemoveContextProvider")
    instance = _change(params, "IdentityCenterInstanceArn", "RemoveIdentityCenterInstance")
    if (context is None) == (instance is None):
        raise invalid_input("Specify a change of either the context provider or the IAM Identity Center instance.")
    if instance is not None:
        tx.put(replace(provider, identity_center_arn=instance))
        return
    if not context and provider.identity_center_arn:
        raise invalid_input("Remove the IAM Identity Center instance before the context provider.")
    tx.put(replace(provider, context_provider=json.dumps(context) if context else ""))


def _change(params: OperationParams, member: str, remover: str) -> Any:
    """The new value, "" for one to be removed, None for no change; raises InvalidInput for both at once."""
    if member in params and params.get(remover):
        raise invalid_input(f"{member} and {remover} are mutually exclusive.")
    return "" if params.get(remover) else params.get(member)
