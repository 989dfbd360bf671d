"""What the announcements of 2018 promise of identities' lives, L1 to L7 (docs/reference/sources.md#lives-of-identities).

Each promise has its control beside it: the same look where it must come out differently.
"""

from __future__ import annotations

import json
from typing import Any

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.machine_secrets import extension_secret
from brownout.identity.core.messages import Request
from support.identity_stacks import ARM, Stack, body, on_stack

PUBLISHED_S = 5.0
BOUND_S = 3 * PUBLISHED_S  # by then every replica has a change
WITHOUT_EXTENSION = {"builds": {"sydney": "2.0", "melbourne": "2.0"}}


async def object_id(stack: Stack, machine: str, **selector: str) -> str:
    """The identity whose token a machine gets."""
    answer = body(await stack.imds(machine, **selector))
    return next(str(known.object_id) for known in stack.world.spec.identities if known.client_id == answer["client_id"])


async def is_dead(stack: Stack, token: str) -> bool:
    """Whether a protected API refuses the token because its identity was deleted."""
    answer = await stack.secret(token)
    return answer.status == 403 and "has been deleted" in body(answer)["error"]["message"]


async def assign(stack: Stack, machine: str, identity: str, wanted: Any) -> None:
    change = {"identity": {"userAssignedIdentities": {stack.identity_path(identity): wanted}}}
    assert (await stack.arm("PATCH", stack.machine_path(machine), change)).status == 200


async def files(stack: Stack, machine: str) -> str:
    """All that programs on a machine can read of what lets them get tokens."""
    answer = await stack.world.control("sydney.host", Request("GET", "/admin/azure/files", {"machine": machine}))
    return json.dumps(body(answer)["files"])


def test_a_system_assigned_identity_dies_with_its_resource() -> None:
    """L1: with the machine its identity is deleted and, after the bound, refused wherever its tokens are shown.

    Control: before the deletion, and for a machine that stays, the same requests succeed.
    """

    async def story(stack: Stack) -> None:
        gone, stays = await stack.token("web-1"), await stack.token("web-2")
        assert [(await stack.secret(token)).status for token in (gone, stays)] == [200, 200]
        assert (await stack.arm("DELETE", stack.machine_path("web-1"))).status == 202
        await stack.wait(BOUND_S)
        assert await is_dead(stack, gone)
        assert (await stack.imds("web-1")).status == 404
        assert (await stack.secret(stays)).status == 200

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_a_machine_of_the_same_name_gets_another_identity() -> None:
    """L1: what is made later under the name of a deleted machine has an identity of its own, and the old tokens stay dead."""

    async def story(stack: Stack) -> None:
        old = await stack.token("web-1")
        assert (await stack.arm("DELETE", stack.machine_path("web-1"))).status == 202
        content = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
        made = body(await stack.arm("PUT", stack.machine_path("web-1"), content))
        await stack.wait(BOUND_S)
        principals = {identity.object_id for identity in stack.world.spec.identities}
        assert made["identity"]["principalId"] not in principals
        assert (await stack.imds("web-1")).status == 200
        assert await is_dead(stack, old)

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_a_user_assigned_identity_outlives_its_resources() -> None:
    """L2: the machine is deleted; its shared identity is still there, its tokens are good, and another machine takes it over.

    Control: once the identity itself is deleted, neither is so any more.
    """

    async def story(stack: Stack) -> None:
        token = await stack.token("single")
        assert (await stack.arm("DELETE", stack.machine_path("single"))).status == 202
        await stack.wait(BOUND_S)
        assert (await stack.arm("GET", stack.identity_path("only-id"))).status == 200
        assert (await stack.secret(token)).status == 200
        await assign(stack, "bare", "only-id", {})
        assert await object_id(stack, "bare") == stack.world.spec.identity("only-id").object_id
        assert (await stack.arm("DELETE", stack.identity_path("only-id"))).status == 200
        await stack.wait(BOUND_S)
        assert await is_dead(stack, token)
        assert (await stack.imds("bare", resource=ARM)).status == 400, "what no cache has is not made any more"

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_one_identity_serves_many_resources() -> None:
    """L3: on three machines the same identity, each with a token of its own. Control: a machine without it is refused."""

    async def story(stack: Stack) -> None:
        path = stack.identity_path("only-id")
        for machine in ("bare", "several"):
            await assign(stack, machine, "only-id", {})
        tokens = set()
        for machine in ("single", "bare", "several"):
            assert await object_id(stack, machine, msi_res_id=path) == stack.world.spec.identity("only-id").object_id
            tokens.add(body(await stack.imds(machine, msi_res_id=path))["access_token"])
        assert len(tokens) == 3
        assert (await stack.imds("web-1", msi_res_id=path)).status == 400
        await assign(stack, "bare", "only-id", None)
        assert (await stack.imds("bare", msi_res_id=path)).status == 400, "and it is taken from one without the others"
        assert (await stack.imds("single")).status == 200

    on_stack(story)


def test_one_resource_has_many_identities() -> None:
    """L4: one machine, each identity by its name. Control: a name that is not assigned to it is refused."""

    async def story(stack: Stack) -> None:
        wanted = [stack.world.spec.identity(name) for name in ("first-id", "second-id")]
        found = [await object_id(stack, "several", client_id=identity.client_id) for identity in wanted]
        assert found == [identity.object_id for identity in wanted]
        other = stack.world.spec.identity("only-id").client_id
        assert (await stack.imds("several", client_id=other)).status == 400

    on_stack(story)


def test_with_imds_no_key_is_on_the_machine_and_with_the_extension_there_was() -> None:
    """L5: what programs on the machine can read holds no key of an identity. Control: with the VM extension it does."""

    async def keys_on(stack: Stack) -> bool:
        control_token = stack.world.spec.control_token
        secrets = [extension_secret(control_token, identity.object_id) for identity in stack.world.spec.identities]
        told = await files(stack, "web-1")
        return any(secret in told for secret in secrets)

    assert not on_stack(keys_on, **WITHOUT_EXTENSION)
    assert on_stack(keys_on), "the builds before had the extension"


def test_no_configuration_holds_a_secret() -> None:
    """L6: neither ARM, nor a machine's metadata, nor a node's report shows a key. Control: the scan finds one that is there."""

    async def seen(stack: Stack) -> str:
        await stack.token("web-1")
        told = [await files(stack, "web-1")]
        told += [json.dumps(body(await stack.arm("GET", stack.machine_path(name)))) for name in ("web-1", "several")]
        instance = Request("GET", "/web-1/metadata/instance", {"api-version": "2021-02-01"}, {"metadata": "true"})
        told.append(json.dumps(body(await stack.world.client("sydney.host", instance, timeout_s=5))))
        told += [json.dumps(await stack.state(node)) for node in stack.world.spec.nodes()]
        return "\n".join(told)

    spec = build_stack(seed=1)
    secrets = [
        *spec.store_keys.values(),
        spec.control_token,
        *(extension_secret(spec.control_token, identity.object_id) for identity in spec.identities),
    ]
    told = on_stack(seen, **WITHOUT_EXTENSION)
    assert [secret for secret in secrets if secret in told] == []
    assert "PRIVATE KEY" not in told
    shared = [identity.object_id for identity in spec.identities if identity.name == "web-1-system"]
    assert extension_secret(spec.control_token, shared[0]) in on_stack(seen), "with the extension the scan finds its key"


def test_any_program_on_the_machine_gets_the_token() -> None:
    """L7: IMDS does not ask which program calls, as source 001 warns. Control: without the header, and from elsewhere, none."""

    async def story(stack: Stack) -> None:
        path, query = (
            "/web-1/metadata/identity/oauth2/token",
            {"api-version": "2018-02-01", "resource": "https://vault.azure.net"},
        )

        async def status(headers: dict[str, str]) -> int:
            answer = await stack.world.client("sydney.host", Request("GET", path, query, headers), timeout_s=5)
            return int(answer.status)

        for agent in ("azsdk-python-identity/1", "curl/8", "a shell that got in"):
            assert await status({"metadata": "true", "user-agent": agent}) == 200
        assert await status({"user-agent": "curl/8"}) == 400
        assert await status({"metadata": "true", "x-forwarded-for": "203.0.113.7"}) == 400

    on_stack(story)
