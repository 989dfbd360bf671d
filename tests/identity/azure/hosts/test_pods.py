"""What a pod finds on its node, and that the identity which it names trusts its service account from the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.hosts.probes import pod_request
from brownout.identity.azure.machine_secrets import endpoint_secret
from brownout.identity.azure.service_accounts import EXCHANGE_AUDIENCE, cluster_issuer
from brownout.identity.core.messages import Request, Response
from support.azure_endpoints import claims
from support.identity_stacks import Stack, body, error_code, on_stack

MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney"},
    "node": {"region": "sydney", "identities": ["pods-id", "other-id"], "pods": True},
    "pods": {"region": "sydney", "scale_set": True, "identities": ["pods-id"], "pods": True},
}


async def found(stack: Stack, machine: str, *, of: str = "", kind: str = "workload-identity") -> Response:
    """What the node says to a pod on the machine that shows the secret of that machine and kind."""
    secret = endpoint_secret(stack.world.spec.control_token, kind, of or machine)
    return await stack.world.client("sydney.host", pod_request(secret, machine), timeout_s=5)


async def subject(stack: Stack, machine: str) -> str:
    answer = await found(stack, machine)
    token = claims(stack, Response(200, {"access_token": body(answer)["token"]}))
    return str(token["sub"])


def test_a_pod_finds_its_client_id_its_tenant_and_its_token() -> None:
    """The client id is that of the machine's first user-assigned identity, the token is the cluster's for Entra."""

    async def story(stack: Stack) -> None:
        spec, answer = stack.world.spec, await found(stack, "node")
        assert answer.status == 200
        assert (body(answer)["client_id"], body(answer)["tenant_id"]) == (spec.identity("pods-id").client_id, spec.tenant_id)
        told = claims(stack, Response(200, {"access_token": body(answer)["token"]}))
        assert (told["iss"], told["aud"]) == (cluster_issuer(spec, "sydney"), [EXCHANGE_AUDIENCE])

    on_stack(story, machines=MACHINES)


def test_pods_of_a_scale_set_share_one_account() -> None:
    """That is what lets one credential stand for instances that come and go; other machines have an account each."""

    async def story(stack: Stack) -> list[str]:
        return [await subject(stack, machine) for machine in ("pods_0", "pods_41", "node")]

    shared, again, own = on_stack(story, machines=MACHINES)
    assert shared == again == "system:serviceaccount:default:pods"
    assert own == "system:serviceaccount:default:node"


@pytest.mark.parametrize(
    ("machine", "shown", "status", "code"),
    [
        ("node", {"of": "pods_0"}, 401, "Unauthorized"),
        ("node", {"kind": "app-service"}, 401, "Unauthorized"),
        ("nobody", {}, 404, "MachineNotFound"),
        ("web", {}, 404, "NoWorkloadIdentity"),
    ],
)
def test_the_page_is_a_pods_own(machine: str, shown: dict[str, str], status: int, code: str) -> None:
    """Another machine's secret opens it no more than that of another kind of endpoint does."""
    answer = on_stack(lambda stack: found(stack, machine, **shown), machines=MACHINES)
    assert (answer.status, error_code(answer)) == (status, code)


def test_the_page_is_only_read() -> None:
    """Any other verb is refused."""

    async def story(stack: Stack) -> Response:
        return await stack.world.client("sydney.host", Request("POST", "/node/pod/identity"), timeout_s=5)

    assert on_stack(story, machines=MACHINES).status == 405


def test_the_cluster_is_the_regions_own_wherever_token_requests_go() -> None:
    """A fail-over of the token service leads to no other cluster; without the region's nodes there is no token."""

    async def story(stack: Stack) -> Response:
        await stack.hold("sydney.host", "f", "route-region", to="melbourne")
        issuer = claims(stack, Response(200, {"access_token": body(await found(stack, "node"))["token"]}))["iss"]
        for zone in ("z1", "z2", "z3"):
            await stack.world.hold(Carrier("node", f"sydney.token.{zone}"), f"down-{zone}", NodeEffect("down"))
        assert issuer == cluster_issuer(stack.world.spec, "sydney")
        return await found(stack, "node")

    answer = on_stack(story, machines=MACHINES)
    assert (answer.status, error_code(answer)) == (503, "ClusterUnavailable")


def test_arm_lists_the_credential_that_the_stack_came_up_with() -> None:
    """Store and replicas have it, so it can be read, and others may be added beside it."""

    async def story(stack: Stack) -> list[str]:
        path = f"{stack.identity_path('pods-id')}/federatedIdentityCredentials"
        new = {"properties": {"issuer": "https://x", "subject": "s", "audiences": ["a"]}}
        assert (await stack.arm("PUT", f"{path}/more", new)).status == 201
        listed = await stack.arm("GET", path)
        return [each["name"] for each in body(listed)["value"]]

    assert on_stack(story, machines=MACHINES) == ["more", "node", "pods"]
