"""Tokens that the account issues to others: outbound web identity federation, off or on; and what tokens of STS are like.

Wire facts: docs/reference/aws-wire.md#outbound-web-identity-federation.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.oidc_urls import outbound_issuer
from brownout.identity.aws.records.settings import AccountSettings


def settings_of(tx: Transaction) -> AccountSettings:
    return tx.get(AccountSettings, "") or AccountSettings()


@operation("EnableOutboundWebIdentityFederation")
def enable_outbound_federation(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    settings = settings_of(tx)
    if settings.outbound_federation:
        raise AwsError.of("FeatureEnabled", "Outbound web identity federation is already enabled for this account.")
    tx.put(replace(settings, outbound_federation=True))
    return {"IssuerIdentifier": outbound_issuer(tx.account_id)}


@operation("DisableOutboundWebIdentityFederation")
def disable_outbound_federation(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    tx.put(replace(_enabled(tx), outbound_federation=False))


@operation("GetOutboundWebIdentityFederationInfo")
def get_outbound_federation_info(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    _enabled(tx)
    return {"IssuerIdentifier": outbound_issuer(tx.account_id), "JwtVendingEnabled": True}


def _enabled(tx: Transaction) -> AccountSettings:
    settings = settings_of(tx)
    if not settings.outbound_federation:
        raise AwsError.of("FeatureDisabled", "Outbound web identity federation is not enabled for this account.")
    return settings


@operation("SetSecurityTokenServicePreferences")
def set_sts_preferences(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    version = {"v1Token": 1, "v2Token": 2}[params["GlobalEndpointTokenVersion"]]
    tx.put(replace(settings_of(tx), global_token_version=version))
