"""azure-keyvault-secrets and a claims challenge: the client, sync or async, asks for a new token, and caches decide which."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import azure.identity.aio as aio
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import AsyncioRequestsTransport
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from brownout.harness.effects import SwitchThrow
from brownout.harness.world import Carrier
from brownout.identity.azure.control.built_in_roles import KEY_VAULT_SECRETS_USER
from support.simulated_azure import IMDS, SimulatedAzure, on_azure

VAULT_URL = "https://brownout-sydney.vault.azure.net"
VAULT = Carrier("control", "sydney.vault")
ASKED_IMDS, ASKED_ENTRA = (IMDS.partition(".")[0], 200), ("login", 200)
Read = Callable[[], str | None]  # the value of the sample secret


class OpenClient(Protocol):
    """A client, open while the context lasts."""

    def __call__(self, azure: SimulatedAzure, *, of_application: bool = False) -> AbstractContextManager[Read]: ...


def revoke(azure: SimulatedAzure) -> None:
    """Tokens that were issued until now are taken no more; whoever asked until now is forgotten."""
    azure.sleep(2)  # tokens have whole seconds
    azure.world.run(azure.world.hold(VAULT, "f", SwitchThrow("revoke-tokens", {})))
    azure.requests.clear(), azure.answers.clear()


def asked(azure: SimulatedAzure) -> list[tuple[str, int]]:
    """Whom the client asked, and what it was told, since the tokens were revoked."""
    hosts = [request.headers["host"].partition(".")[0] for request in azure.requests]
    return list(zip(hosts, (answer.status for answer in azure.answers), strict=True))


@contextmanager
def sync_client(azure: SimulatedAzure, *, of_application: bool = False) -> Iterator[Read]:
    """The sync client with the credential of a machine or of an application."""
    transport = azure.transport()
    if of_application:
        who = ClientSecretCredential(azure.tenant, azure.application.client_id, azure.secret, transport=transport)
        vault = SecretClient(VAULT_URL, who, transport=azure.transport())
    else:
        vault = SecretClient(VAULT_URL, ManagedIdentityCredential(transport=transport), transport=azure.transport())
    yield lambda: vault.get_secret("sample").value


@contextmanager
def async_client(azure: SimulatedAzure, *, of_application: bool = False) -> Iterator[Read]:
    """The async client; it has an event loop of its own, which runs while a secret is read."""
    transport = AsyncioRequestsTransport(session=azure.session(), session_owner=False)
    own = AsyncioRequestsTransport(session=azure.session(), session_owner=False)
    who: aio.ClientSecretCredential | aio.ManagedIdentityCredential
    if of_application:
        application = azure.application.client_id
        who = aio.ClientSecretCredential(azure.tenant, application, azure.secret, transport=own)
    else:
        who = aio.ManagedIdentityCredential(transport=own)
    vault = AsyncSecretClient(VAULT_URL, who, transport=transport)
    with asyncio.Runner() as runner:

        async def read() -> str | None:
            return (await vault.get_secret("sample")).value

        yield lambda: runner.run(read())
        runner.run(vault.close())
        runner.run(who.close())


CLIENTS = pytest.mark.parametrize("client", [sync_client, async_client])


@CLIENTS
def test_without_caches_a_new_token_is_got_and_let_in(client: OpenClient) -> None:
    """One call of the program: refused, a plain request to IMDS without a word of claims, let in."""

    def story(azure: SimulatedAzure) -> None:
        with client(azure) as read:
            assert read() == "value of sample"
            revoke(azure)
            assert read() == "value of sample"
        assert asked(azure) == [("brownout-sydney", 401), ASKED_IMDS, ("brownout-sydney", 200)]
        assert set(azure.requests[1].query) == {"api-version", "resource"}

    on_azure(story, host_cache=False, instance_cache=False)


@CLIENTS
def test_a_cache_of_the_host_gives_the_revoked_token_again(client: OpenClient) -> None:
    """IMDS is not told why it is asked, so the client fails until the host's own token is new."""

    def story(azure: SimulatedAzure) -> None:
        with client(azure) as read:
            read()
            revoke(azure)
            with pytest.raises(ClientAuthenticationError, match="revoked"):
                read()
            assert asked(azure) == [("brownout-sydney", 401), ASKED_IMDS, ("brownout-sydney", 401)]
            azure.sleep(13 * 3600)
            assert read() == "value of sample"

    on_azure(story)


@CLIENTS
def test_an_application_tells_entra_what_is_asked_for(client: OpenClient) -> None:
    """Its credential passes its cache by and sends the claims on; Entra issues a new token, which is let in."""

    def story(azure: SimulatedAzure) -> None:
        azure.grant(azure.application.identity.object_id, KEY_VAULT_SECRETS_USER)
        with client(azure, of_application=True) as read:
            read()
            revoke(azure)
            assert read() == "value of sample"
        assert asked(azure)[0] == ("brownout-sydney", 401)
        assert asked(azure)[-2:] == [ASKED_ENTRA, ("brownout-sydney", 200)]
        claims = json.loads(dict(azure.requests[-2].form)["claims"])
        assert claims["access_token"]["nbf"]["essential"] is True

    on_azure(story)
