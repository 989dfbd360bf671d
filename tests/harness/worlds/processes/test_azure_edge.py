"""Azure's SDKs reach a real stack over TLS: by the doors' URLs, and by Azure's own names through the proxy."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import msal
import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi.aio import ManagedServiceIdentityClient as AsyncManagedServiceIdentityClient
from azure.mgmt.resource.resources import ResourceManagementClient

from brownout.harness.effects import SwitchThrow
from brownout.harness.world import EdgeDoors
from brownout.identity.azure.entra.applications import seeded_application, seeded_secret
from support.carriers import switch
from support.client_requests import user_token
from support.server_stacks import Stack

pytestmark = pytest.mark.slow

ARM, LOGIN = "https://management.azure.com", "https://login.microsoftonline.com"
BY_URL = pytest.mark.parametrize("way", ["url"], indirect=True)
C = TypeVar("C")


class Operator:
    """A credential with the stack's operator's token."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 4_000_000_000)

    def get_token(self, *scopes: str, **more: object) -> AccessToken:
        return self._token


class AsyncOperator:
    """The same for clients of asyncio."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 4_000_000_000)

    async def get_token(self, *scopes: str, **more: object) -> AccessToken:
        return self._token

    async def close(self) -> None: ...

    async def __aexit__(self, *raised: object) -> None: ...


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return str(stack.run(user_token(stack.world)))


@pytest.fixture
def doors(stack: Stack) -> EdgeDoors:
    edge = stack.world.endpoints().edge
    assert edge is not None
    return edge


@pytest.fixture(params=["url", "name"])
def way(request: pytest.FixtureRequest, doors: EdgeDoors, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The base URLs of ARM and Entra, as this environment leads to them."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(doors.ca_bundle))
    if request.param == "url":
        yield doors.urls["arm"]["sydney"], doors.urls["entra"]["sydney"]
        return
    monkeypatch.setenv("HTTPS_PROXY", doors.proxies["sydney"])
    yield ARM, LOGIN


@pytest.fixture
def client_of(stack: Stack, token: str, way: tuple[str, str]) -> Callable[[Callable[..., C]], C]:
    """Makes a client of ARM for the operator, unmodified: REQUESTS_CA_BUNDLE is all that it needs."""
    return lambda kind: kind(Operator(token), stack.world.spec.subscription_id, base_url=way[0])


def names(found: list[object]) -> set[str]:
    return {str(each.name) for each in found}  # type: ignore[attr-defined]  # the SDK's own model


def test_the_sdk_manages_identities_over_tls(stack: Stack, token: str, way: tuple[str, str]) -> None:
    """With REQUESTS_CA_BUNDLE alone, and no change of its policies: the token is sent over TLS."""
    with ManagedServiceIdentityClient(Operator(token), stack.world.spec.subscription_id, base_url=way[0]) as client:
        listed = names(list(client.user_assigned_identities.list_by_subscription()))
    assert {"batch-id", "reports-id"} <= listed


@BY_URL
def test_machines_are_made_and_ended_over_tls(client_of: Callable[[Any], Any]) -> None:
    """azure-mgmt-compute polls each operation to its end at the door, and reads what it made."""
    machines = client_of(ComputeManagementClient).virtual_machines
    wanted: dict[str, Any] = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
    made = machines.begin_create_or_update("load", "by-compute", wanted).result()
    assert (made.provisioning_state, made.identity.type) == ("Succeeded", "SystemAssigned")
    assert "by-compute" in names(list(machines.list("load")))
    machines.begin_delete("load", "by-compute").result()
    with pytest.raises(ResourceNotFoundError):
        machines.get("load", "by-compute")


@BY_URL
def test_roles_are_given_and_taken_over_tls(stack: Stack, client_of: Callable[[Any], Any]) -> None:
    """azure-mgmt-authorization finds a role by its name and assigns it; the same grant twice is refused."""
    spec, client = stack.world.spec, client_of(AuthorizationManagementClient)
    scope = f"/subscriptions/{spec.subscription_id}/resourceGroups/load"
    (role,) = client.role_definitions.list(scope, filter="roleName eq 'Contributor'")
    properties = {"roleDefinitionId": role.id, "principalId": spec.identity("batch-id").object_id}
    wanted = {"properties": properties | {"principalType": "ServicePrincipal"}}
    made = client.role_assignments.create(scope, str(uuid4()), wanted)
    assert made.name in names(list(client.role_assignments.list_for_scope(scope)))
    with pytest.raises(HttpResponseError, match="already exists"):
        client.role_assignments.create(scope, str(uuid4()), wanted)
    assert client.role_assignments.delete_by_id(made.id).name == made.name
    assert made.name not in names(list(client.role_assignments.list_for_scope(scope)))


@BY_URL
def test_groups_go_with_what_is_in_them_over_tls(client_of: Callable[[Any], Any]) -> None:
    """azure-mgmt-resource makes a group, lists an identity in it, and follows the deletion's `Location` to its end."""
    resources = client_of(ResourceManagementClient)
    resources.resource_groups.create_or_update("by-resource", {"location": "australiaeast"})
    identities = client_of(ManagedServiceIdentityClient).user_assigned_identities
    identities.create_or_update("by-resource", "passing", {"location": "australiaeast"})
    assert names(list(resources.resources.list_by_resource_group("by-resource"))) == {"passing"}
    resources.resource_groups.begin_delete("by-resource").result()
    assert not resources.resource_groups.check_existence("by-resource")


def test_msal_gets_an_applications_token_over_tls(stack: Stack, way: tuple[str, str]) -> None:
    """Discovery and token by the door's URL, and by Entra's own name with its instance discovery."""
    spec, is_named = stack.world.spec, way[1] == LOGIN
    client = msal.ConfidentialClientApplication(
        seeded_application(spec).client_id,
        client_credential=seeded_secret(spec),
        authority=f"{way[1]}/{spec.tenant_id}",
        instance_discovery=is_named,
    )
    found = client.acquire_token_for_client(["https://vault.azure.net/.default"])
    assert found.get("token_type") == "Bearer", found
    again = client.acquire_token_for_client(["https://vault.azure.net/.default"])
    assert (again["access_token"], again["token_source"]) == (found["access_token"], "cache")
    wrong = msal.ConfidentialClientApplication(
        seeded_application(spec).client_id,
        client_credential="wrong",
        authority=f"{way[1]}/{spec.tenant_id}",
        instance_discovery=is_named,
    ).acquire_token_for_client(["https://vault.azure.net/.default"])
    assert wrong["error"] == "invalid_client"


def test_the_sdk_for_asyncio_does_too(stack: Stack, token: str, doors: EdgeDoors) -> None:
    """With `connection_verify`; it reads no REQUESTS_CA_BUNDLE."""

    async def listed() -> set[str]:
        more = {"base_url": doors.urls["arm"]["melbourne"], "connection_verify": str(doors.ca_bundle)}
        async with AsyncManagedServiceIdentityClient(AsyncOperator(token), stack.world.spec.subscription_id, **more) as client:
            return names([each async for each in client.user_assigned_identities.list_by_subscription()])

    assert {"batch-id", "reports-id"} <= asyncio.run(listed())


def test_a_client_that_does_not_trust_the_stack_sends_it_nothing(stack: Stack, token: str, doors: EdgeDoors) -> None:
    """The SDK ends before its first request."""
    spec, url = stack.world.spec, doors.urls["arm"]["sydney"]
    with (
        ManagedServiceIdentityClient(Operator(token), spec.subscription_id, base_url=url, retry_total=0) as client,
        pytest.raises(ServiceRequestError, match=r"(?i)certificate"),
    ):
        list(client.user_assigned_identities.list_by_subscription())


def test_entras_documents_lead_on_by_the_way_that_the_client_came(stack: Stack, way: tuple[str, str]) -> None:
    """Whoever finds the keys' URL in a document over TLS can read them there."""
    tenant = stack.world.spec.tenant_id
    document = requests.get(f"{way[1]}/{tenant}/v2.0/.well-known/openid-configuration", timeout=10).json()
    assert document["jwks_uri"].startswith(f"{way[1]}/")
    assert requests.get(document["jwks_uri"], timeout=10).json()["keys"]


def test_operations_of_arm_lead_on_by_the_way_that_the_client_came(stack: Stack, token: str, way: tuple[str, str]) -> None:
    """An SDK would refuse to follow a URL without TLS."""
    group = f"/subscriptions/{stack.world.spec.subscription_id}/resourceGroups/load"
    url = f"{way[0]}{group}/providers/Microsoft.Compute/virtualMachines/by-tls-{urlsplit(way[0]).port}?api-version=2024-07-01"
    headers = {"authorization": f"Bearer {token}"}
    made = requests.put(url, json={"location": "australiaeast"}, headers=headers, timeout=10)
    assert made.status_code == 201, made.text
    poll = made.headers["azure-asyncoperation"]
    assert poll.startswith(f"{way[0]}/")
    assert requests.get(poll, headers=headers, timeout=10).json()["status"] == "Succeeded"


def test_a_dead_name_of_entra_fails_its_clients_and_no_others(stack: Stack, doors: EdgeDoors) -> None:
    """ARM's name leads on, and the door by URL knows no names."""
    page = f"/{stack.world.spec.tenant_id}/discovery/v2.0/keys"
    proxied = {"https": doors.proxies["sydney"]}
    more = {"verify": str(doors.ca_bundle), "timeout": 10}
    stack.run(stack.world.hold(switch("client.edge"), "n", SwitchThrow("name", {"name": LOGIN[8:], "effect": "nxdomain"})))
    try:
        with pytest.raises(requests.exceptions.ProxyError, match="502"):
            requests.get(LOGIN + page, proxies=proxied, **more)  # type: ignore[arg-type]
        assert requests.get(f"{ARM}/", proxies=proxied, **more).status_code in (401, 404)  # type: ignore[arg-type]
        assert requests.get(doors.urls["entra"]["sydney"] + page, **more).ok  # type: ignore[arg-type]
    finally:
        stack.run(stack.world.release(switch("client.edge"), "n"))
    assert requests.get(LOGIN + page, proxies=proxied, **more).ok  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["example.com", "graph.microsoft.com", "other.vault.azure.net"])
def test_the_proxy_leads_nowhere_else(doors: EdgeDoors, host: str) -> None:
    """A host of Azure's that the stack does not have is refused with 403 as any other is."""
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        requests.get(f"https://{host}/", proxies={"https": doors.proxies["sydney"]}, verify=str(doors.ca_bundle), timeout=10)


def test_the_thumbprint_is_that_of_the_certificate_on_the_wire(doors: EdgeDoors) -> None:
    """By it clients of Service Fabric know their endpoint; the machines' door is theirs."""
    port = urlsplit(doors.urls["machines"]["sydney"]).port
    shown = ssl.get_server_certificate(("127.0.0.1", port or 0))
    assert hashlib.sha1(ssl.PEM_cert_to_DER_cert(shown)).hexdigest().upper() == doors.thumbprint


def test_a_machines_endpoint_is_below_its_name_at_the_machines_door(doors: EdgeDoors) -> None:
    """As it is at the host's plain URL."""
    query = "api-version=2018-02-01&resource=https://vault.azure.net"
    url = f"{doors.urls['machines']['sydney']}/web-1/metadata/identity/oauth2/token?{query}"
    answer = requests.get(url, headers={"Metadata": "true"}, verify=str(doors.ca_bundle), timeout=10)
    assert answer.json()["token_type"] == "Bearer"


def test_what_a_process_trusts_by_default_it_trusts_still(doors: EdgeDoors) -> None:
    """The bundle for its environment has the machine's authorities and the stack's."""
    trusted, own = doors.trust_bundle.read_text(), doors.ca_bundle.read_text()
    assert trusted.endswith(own)
    default = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if Path(default).exists():
        assert trusted.count("BEGIN CERTIFICATE") == Path(default).read_text().count("BEGIN CERTIFICATE") + 1
