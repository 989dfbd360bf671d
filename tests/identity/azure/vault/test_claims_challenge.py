"""azure-keyvault-secrets and a claims challenge: the client asks for a new token, and gets what the caches have."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from brownout.harness.effects import SwitchThrow
from brownout.harness.world import Carrier
from brownout.identity.azure.control.built_in_roles import KEY_VAULT_SECRETS_USER
from support.simulated_azure import IMDS, SimulatedAzure, on_azure

VAULT_URL = "https://brownout-sydney.vault.azure.net"
VAULT = Carrier("control", "sydney.vault")


def revoke(azure: SimulatedAzure) -> None:
    """Tokens that were issued until now are taken no more."""
    azure.sleep(2)  # tokens have whole seconds
    azure.world.run(azure.world.hold(VAULT, "f", SwitchThrow("revoke-tokens", {})))


def client(azure: SimulatedAzure, credential: Any = None) -> SecretClient:
    return SecretClient(VAULT_URL, credential or azure.credential(), transport=azure.transport())


def asked(azure: SimulatedAzure) -> list[tuple[str, int]]:
    """Whom the client asked, and what it was told, since the list was emptied."""
    hosts = [request.headers["host"].partition(".")[0] for request in azure.requests]
    return list(zip(hosts, (answer.status for answer in azure.answers), strict=True))


def test_without_caches_a_new_token_is_got_and_let_in() -> None:
    """One call of the program: refused, a plain request to IMDS without a word of claims, let in."""

    def story(azure: SimulatedAzure) -> None:
        vault = client(azure)
        assert vault.get_secret("sample").value == "value of sample"
        revoke(azure)
        azure.requests.clear(), azure.answers.clear()
        assert vault.get_secret("sample").value == "value of sample"
        assert asked(azure) == [("brownout-sydney", 401), (IMDS.partition(".")[0], 200), ("brownout-sydney", 200)]
        assert set(azure.requests[1].query) == {"api-version", "resource"}

    on_azure(story, host_cache=False, instance_cache=False)


def test_a_cache_of_the_host_gives_the_revoked_token_again() -> None:
    """IMDS is not told why it is asked, so the client fails until the host's own token is new."""

    def story(azure: SimulatedAzure) -> None:
        vault = client(azure)
        vault.get_secret("sample")
        revoke(azure)
        azure.requests.clear(), azure.answers.clear()
        with pytest.raises(ClientAuthenticationError, match="revoked"):
            vault.get_secret("sample")
        assert asked(azure) == [("brownout-sydney", 401), (IMDS.partition(".")[0], 200), ("brownout-sydney", 401)]
        azure.sleep(13 * 3600)
        assert vault.get_secret("sample").value == "value of sample"

    on_azure(story)


def test_an_application_tells_entra_what_is_asked_for() -> None:
    """msal's credential passes its cache by and sends the claims on; Entra issues a new token, which is let in."""

    def story(azure: SimulatedAzure) -> None:
        azure.grant(azure.application.identity.object_id, KEY_VAULT_SECRETS_USER)
        who = ClientSecretCredential(azure.tenant, azure.application.client_id, azure.secret, transport=azure.transport())
        vault = client(azure, who)
        vault.get_secret("sample")
        revoke(azure)
        azure.requests.clear(), azure.answers.clear()
        assert vault.get_secret("sample").value == "value of sample"
        assert asked(azure)[0] == ("brownout-sydney", 401)
        assert asked(azure)[-2:] == [("login", 200), ("brownout-sydney", 200)]
        assert b"nbf" in azure.requests[-2].payload

    on_azure(story)
