"""Outbound web identity federation, off until it is enabled; and which tokens the global endpoint issues."""

from __future__ import annotations

import pytest

from brownout.identity.aws.oidc_urls import outbound_issuer, provider_name
from brownout.identity.aws.records.settings import AccountSettings
from support.iam_account import ACCOUNT, IamAccount

OFF = ("FeatureDisabled", "Outbound web identity federation is not enabled for this account.")


def test_federation_is_switched_on_and_off() -> None:
    """The issuer stays the same over it all."""
    account = IamAccount()
    assert account.refused("GetOutboundWebIdentityFederationInfo") == OFF
    assert account.refused("DisableOutboundWebIdentityFederation") == OFF
    issuer = account("EnableOutboundWebIdentityFederation")["IssuerIdentifier"]
    assert account.refused("EnableOutboundWebIdentityFederation")[0] == "FeatureEnabled"
    info = account("GetOutboundWebIdentityFederationInfo")
    assert info == {"IssuerIdentifier": issuer, "JwtVendingEnabled": True}
    account("DisableOutboundWebIdentityFederation")
    assert account.refused("GetOutboundWebIdentityFederationInfo") == OFF
    assert account("EnableOutboundWebIdentityFederation")["IssuerIdentifier"] == issuer == outbound_issuer(ACCOUNT)


def test_an_issuer_is_one_accounts_own() -> None:
    """It is a URL that another account can make an OpenID Connect provider of."""
    assert outbound_issuer(ACCOUNT) != outbound_issuer("999999999999")
    assert provider_name(outbound_issuer(ACCOUNT)).endswith(".tokens.sts.global.api.aws")


@pytest.mark.parametrize(("token", "version"), [("v2Token", 2), ("v1Token", 1)])
def test_the_version_of_global_tokens_is_set(token: str, version: int) -> None:
    """The other settings of the account stay."""
    account = IamAccount([AccountSettings(alias="stack", global_token_version=3 - version)])
    account("SetSecurityTokenServicePreferences", GlobalEndpointTokenVersion=token)
    assert account.tables.table(AccountSettings)[""] == AccountSettings(alias="stack", global_token_version=version)
