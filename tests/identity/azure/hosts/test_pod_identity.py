"""AAD Pod Identity before IMDS: which identity a pod gets, and what azure-identity and msal make of its refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msal
import pytest
from azure.identity import CredentialUnavailableError

from brownout.identity.core.messages import Request
from support.identity_stacks import Stack
from support.identity_stacks import on_stack as on_plain_stack
from support.simulated_azure import SimulatedAzure, on_azure

SCOPE = "https://vault.azure.net/.default"
T = TypeVar("T")


def on_pods(story: Callable[[SimulatedAzure], T]) -> T:
    return on_azure(story, pod_identity=True)


async def ask(stack: Stack, **query: str) -> Mapping[str, Any]:
    """The fields that a pod with several identities gets, which sends no `Metadata` header."""
    request = Request("GET", "/several/metadata/identity/oauth2/token", {"resource": "https://vault.azure.net", **query})
    answer = await stack.world.client("sydney.host", request, timeout_s=5)
    assert answer.ok, answer
    return answer.body or {}


def test_a_bound_pod_gets_its_token_with_a_real_client() -> None:
    """One request, and a token that Key Vault could take."""

    def story(azure: SimulatedAzure) -> int:
        assert azure.credential("single").get_token(SCOPE).token
        return len(azure.requests)

    assert on_pods(story) == 1


def test_a_pod_without_a_binding_is_refused_and_clients_do_not_try_again() -> None:
    """The machine's own identity is none of the pod's. azure-identity: unavailable; msal by itself lets its own error out."""

    def story(azure: SimulatedAzure) -> None:
        with pytest.raises(CredentialUnavailableError):
            azure.credential("web").get_token(SCOPE)
        assert [answer.status for answer in azure.answers] == [403]
        assert azure.answers[0].payload == b"no AzureAssignedIdentity found for pod:default/web in assigned state\n"
        alone = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=azure.session(machine="web"))
        with pytest.raises(ValueError, match="Expecting value"):
            alone.acquire_token_for_client(resource="https://vault.azure.net")
        assert len(azure.answers) == 2

    on_pods(story)


def test_the_first_of_several_identities_is_taken_unless_a_client_id_says_which() -> None:
    """IMDS would refuse a machine with several; an identity that is named in another way is not looked at."""

    async def story(stack: Stack) -> None:
        (machine,) = [each for each in stack.world.spec.machines if each.name == "several"]
        first, second = [stack.world.spec.identity(name).client_id for name in machine.identities]
        plain, named = await ask(stack), await ask(stack, client_id=first)
        other, unread = await ask(stack, client_id=second), await ask(stack, msi_res_id="x")
        assert plain["access_token"] == named["access_token"] == unread["access_token"] != other["access_token"]
        life = ("expires_in", "expires_on", "not_before")
        assert set(plain) == {"access_token", "refresh_token", "resource", "token_type", *life}

    on_plain_stack(story, pod_identity=True)


def test_without_the_setting_imds_answers_itself() -> None:
    """The control: the same machine has a token of its own identity."""
    assert on_azure(lambda azure: azure.credential("web").get_token(SCOPE).token)
