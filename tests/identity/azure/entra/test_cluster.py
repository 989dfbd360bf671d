"""The region's cluster: service account tokens of pods, its public pages, and Entra's exchange for an identity's token."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.machine_secrets import SERVICE_ACCOUNT_FILE
from brownout.identity.azure.service_accounts import EXCHANGE_AUDIENCE, cluster_issuer
from brownout.identity.core.messages import FORM_TYPE, Request, Response
from support.azure_endpoints import claims, secret_of
from support.identity_stacks import HOUR_S, VAULT, Stack, body, on_stack

MACHINE, IDENTITY = "single", "only-id"


async def token_file(stack: Stack, machine: str = MACHINE) -> str | None:
    """What the pods on a machine find in the file of their service account's token; None for no file."""
    answer = await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": machine}))
    found: str | None = body(answer)["files"].get(SERVICE_ACCOUNT_FILE)
    return found


async def trust(stack: Stack, subject: str) -> None:
    """Gives the identity a federated credential for that subject of Sydney's cluster, and waits until regions know it."""
    spec = stack.world.spec
    issuer = cluster_issuer(spec, "sydney")
    credential = {"name": "pod", "issuer": issuer, "subject": subject, "audiences": [EXCHANGE_AUDIENCE]}
    identity = spec.identity(IDENTITY).to_json()
    record = {**identity, "details": {"federatedCredentials": [credential]}}
    request = stack.node("sydney.management").internal("PUT", f"/principals/{identity['object_id']}", record)
    assert (await stack.node("sydney.directory").handle(request)).ok
    await stack.wait(120)


async def exchange(stack: Stack, assertion: str) -> Response:
    """A pod's request to Entra, as azure-identity sends it."""
    spec = stack.world.spec
    form = {
        "grant_type": "client_credentials",
        "client_id": spec.identity(IDENTITY).client_id,
        "scope": f"{VAULT}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    path, lines = f"/{spec.tenant_id}/oauth2/v2.0/token", ((b"content-type", FORM_TYPE.encode()),)
    request = Request.raw("POST", path, lines, urlencode(form).encode())
    return await stack.world.client("sydney.token.z1", request, timeout_s=5)


def test_a_pods_token_is_its_service_accounts() -> None:
    """Issuer, subject and audience as Kubernetes writes them, good for a day, signed with a key that the cluster publishes."""

    async def story(stack: Stack) -> None:
        text = await token_file(stack)
        assert text is not None
        found = claims(stack, Response(200, {"access_token": text}))
        assert found["iss"] == cluster_issuer(stack.world.spec, "sydney")
        assert (found["sub"], found["aud"]) == (f"system:serviceaccount:default:{MACHINE}", [EXCHANGE_AUDIENCE])
        assert found["exp"] - found["iat"] == 24 * HOUR_S

    on_stack(story)


def test_entra_takes_the_token_for_the_identity_that_trusts_it() -> None:
    """The whole way: file, exchange, vault."""

    async def story(stack: Stack) -> int:
        await trust(stack, f"system:serviceaccount:default:{MACHINE}")
        answer = await exchange(stack, str(await token_file(stack)))
        assert answer.status == 200, answer
        return (await stack.secret(str(body(answer)["access_token"]))).status

    assert on_stack(story) == 200


def test_the_token_of_another_machines_pods_is_refused() -> None:
    """Its subject is another one."""

    async def story(stack: Stack) -> Response:
        await trust(stack, f"system:serviceaccount:default:{MACHINE}")
        return await exchange(stack, str(await token_file(stack, "web-1")))

    answer = on_stack(story)
    assert answer.status in (400, 401)
    assert "AADSTS70021" in str(body(answer)["error_description"])


@pytest.mark.parametrize("page", [".well-known/openid-configuration", "openid/v1/jwks"])
def test_the_cluster_publishes_how_to_check_its_tokens(page: str) -> None:
    """Below the path of its issuer; the discovery document leads to the keys, and the keys are the stack's."""

    async def story(stack: Stack) -> None:
        issuer = cluster_issuer(stack.world.spec, "sydney")
        root = "/" + issuer.removeprefix("https://").partition("/")[2]
        answer = await stack.world.client("sydney.token.z2", Request("GET", root + page), timeout_s=5)
        if page.startswith("openid/"):
            vault: Any = stack.node("sydney.vault")
            assert {key["kid"] for key in body(answer)["keys"]} == set(vault.replica.snapshot.key_set)
        else:
            assert (body(answer)["issuer"], body(answer)["jwks_uri"]) == (issuer, f"{issuer}openid/v1/jwks")

    on_stack(story)


def test_a_page_that_a_cluster_does_not_have_is_404() -> None:
    """In the shape of Kubernetes."""

    async def story(stack: Stack) -> Response:
        root = "/" + cluster_issuer(stack.world.spec, "sydney").removeprefix("https://").partition("/")[2]
        return await stack.world.client("sydney.token.z1", Request("GET", f"{root}api"), timeout_s=5)

    answer = on_stack(story)
    assert (answer.status, body(answer)["kind"]) == (404, "Status")


def test_without_token_nodes_the_file_is_not_there_and_others_are() -> None:
    """The cluster's control plane is on the token nodes; the Arc agent's key is the machine's own."""

    async def story(stack: Stack) -> list[bool]:
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), "f", NodeEffect("down"))
        answer = await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": MACHINE}))
        files = body(answer)["files"]
        return [SERVICE_ACCOUNT_FILE in files, secret_of(stack, "arc", MACHINE) in files.values()]

    assert on_stack(story) == [False, True]


def test_files_of_no_machine_are_404() -> None:
    """The control plane says which machine there is not."""

    async def story(stack: Stack) -> int:
        return (await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": "nobody"}))).status

    assert on_stack(story) == 404
