"""ARM's user-assigned identities: create, read, list, tag, delete, by ARM and the portal.

Wire facts: docs/reference/azure-wire.md#arm-user-assigned-identities.
"""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import HOUR_S, QUIET_S, VAULT, Stack, body, error_code, hops, on_stack

NEW = {"location": "australiaeast", "tags": {"team": "blue"}}


@pytest.mark.parametrize("prefix", ["", "/portal"])
def test_an_identity_lives_its_life(prefix: str) -> None:
    """PUT 201 then 200, GET 200, PATCH 200, DELETE 200 then 204, GET 404, claim C6: both front ends alike."""

    async def story(stack: Stack) -> list[int]:
        path = prefix + stack.identity_path("fresh")
        steps: tuple[tuple[str, Any], ...] = (
            ("GET", None),
            ("PUT", NEW),
            ("PUT", NEW),
            ("GET", None),
            ("PATCH", {"tags": {"team": "red"}}),
            ("DELETE", None),
            ("GET", None),
            ("PATCH", {"tags": {}}),
            ("DELETE", None),
        )
        return [(await stack.arm(method, path, content)).status for method, content in steps]

    assert on_stack(story) == [404, 201, 200, 200, 200, 200, 404, 404, 204]


def test_an_identity_is_shown_as_arm_shows_it() -> None:
    """The resource has id, name, type, location, tags and the ids of its service principal."""

    async def story(stack: Stack) -> tuple[Any, str, str]:
        created = body(await stack.arm("PUT", stack.identity_path("fresh"), NEW))
        assert body(await stack.arm("GET", stack.identity_path("fresh"))) == created
        return created, stack.identity_path("fresh"), stack.world.spec.tenant_id

    shown, path, tenant = on_stack(story)
    assert (shown["id"], shown["name"], shown["location"]) == (path, "fresh", "australiaeast")
    assert shown["type"] == "Microsoft.ManagedIdentity/userAssignedIdentities"
    assert shown["tags"] == {"team": "blue"}
    assert set(shown["properties"]) == {"tenantId", "principalId", "clientId", "isolationScope"}
    assert shown["properties"]["tenantId"] == tenant


def test_tags_are_replaced_by_a_patch_and_kept_by_a_put_without_any() -> None:
    """PATCH sets the tags, a PUT that names none leaves them."""

    async def story(stack: Stack) -> list[Any]:
        path = stack.identity_path("fresh")
        await stack.arm("PUT", path, NEW)
        patched = await stack.arm("PATCH", path, {"tags": {"a": "b"}})
        put = await stack.arm("PUT", path, {"location": "australiaeast"})
        return [body(patched)["tags"], body(put)["tags"], body(await stack.arm("GET", path))["tags"]]

    assert on_stack(story) == [{"a": "b"}] * 3


def test_a_repeated_put_keeps_the_identity() -> None:
    """PUT is idempotent: object and client id stay (clients retry PUT four times)."""

    async def story(stack: Stack) -> set[str]:
        answers = [await stack.arm("PUT", stack.identity_path("fresh"), NEW) for _ in range(4)]
        return {str(body(answer)["properties"]["principalId"]) for answer in answers}

    assert len(on_stack(story)) == 1


def test_an_identity_that_is_created_again_is_another_one() -> None:
    """A re-created identity has new ids, so that nothing granted to the old one revives (I1)."""

    async def story(stack: Stack) -> tuple[str, str]:
        path = stack.identity_path("fresh")
        first = body(await stack.arm("PUT", path, NEW))["properties"]["principalId"]
        await stack.arm("DELETE", path)
        return first, body(await stack.arm("PUT", path, NEW))["properties"]["principalId"]

    first, second = on_stack(story)
    assert first != second


def test_paths_are_compared_without_regard_to_case() -> None:
    """Segments of a path may be spelled in any case."""

    async def story(stack: Stack) -> list[int]:
        path = stack.identity_path("only-id")
        variants = [path.lower(), path.upper(), path.replace("resourceGroups", "resourcegroups")]
        return [(await stack.arm("GET", variant)).status for variant in variants]

    assert on_stack(story) == [200, 200, 200]


@pytest.mark.parametrize("scope", ["group", "subscription", "other-group"])
def test_lists_show_the_user_assigned_identities_of_their_scope(scope: str) -> None:
    """Lists by resource group and by subscription have a `value`, sorted, without system-assigned or deleted ones."""

    async def story(stack: Stack) -> list[str]:
        await stack.arm("PUT", stack.identity_path("fresh"), NEW)
        await stack.arm("DELETE", stack.identity_path("only-id"))
        group = stack.group
        await stack.create_group("load-x")
        base = {"group": group, "subscription": group.partition("/resourceGroups")[0], "other-group": group + "-x"}[scope]
        answer = await stack.arm("GET", f"{base}/providers/Microsoft.ManagedIdentity/userAssignedIdentities")
        assert answer.status == 200
        return [str(item["name"]) for item in body(answer)["value"]]

    names = on_stack(story)
    assert names == sorted(names)
    present = {"fresh", "first-id", "second-id", "traveller"}
    assert present <= set(names) if scope != "other-group" else names == []
    assert not {"only-id", "web-1-system"} & set(names)


@pytest.mark.parametrize(("region", "location"), [("sydney", "australiaeast"), ("melbourne", "australiasoutheast")])
@pytest.mark.parametrize("front", ["sydney", "melbourne"])
def test_an_identity_is_kept_in_the_store_of_its_location(region: str, location: str, front: str) -> None:
    """The metadata of an identity lies in its home region's store, whichever front end was called."""

    async def story(stack: Stack) -> tuple[str, str]:
        answer = await stack.arm("PUT", stack.identity_path("fresh"), {"location": location}, region=front)
        assert answer.status == 201
        return str(body(answer)["location"]), hops(answer)[1].node

    assert on_stack(story) == (location, f"{region}.store")


@pytest.mark.parametrize("spelled", ["Australia East", "AUSTRALIAEAST", "sydney"])
def test_a_location_may_be_spelled_as_people_do(spelled: str) -> None:
    """Display names and any case mean the same location."""

    async def story(stack: Stack) -> Any:
        return body(await stack.arm("PUT", stack.identity_path("fresh"), {"location": spelled}))["location"]

    assert on_stack(story) == "australiaeast"


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "AuthenticationFailed"), ("nonsense", "InvalidAuthenticationToken"), ("a.b.c", "InvalidAuthenticationToken")],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_without_a_good_token_it_is_401(token: str, code: str, method: str) -> None:
    """No token and a bad one are 401 with ARM's two codes, before all else (docs/reference/azure-wire.md#arm-errors)."""

    async def story(stack: Stack) -> Response:
        return await stack.arm(method, stack.identity_path("fresh"), None, token=token)

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (401, code)


def test_a_token_for_another_audience_is_401() -> None:
    """I6: a machine's token for the vault does not open ARM, one for ARM does."""

    async def story(stack: Stack) -> list[int]:
        tokens = [await stack.token("web-1", resource=resource) for resource in (VAULT, "https://management.azure.com/")]
        return [(await stack.arm("GET", stack.identity_path("only-id"), token=token)).status for token in tokens]

    assert on_stack(story) == [401, 200]


def test_an_expired_token_is_401() -> None:
    """A token past its end (and the five minutes of skew that verifiers allow) is refused, though it was good before."""

    async def story(stack: Stack) -> list[int]:
        request = Request("POST", "/admin/user-token", body={"lifetime_s": HOUR_S})
        token = str(body(await stack.world.control("sydney.directory", request))["access_token"])
        seen = []
        for _ in range(2):
            seen.append((await stack.arm("GET", stack.identity_path("only-id"), token=token)).status)
            await stack.wait(HOUR_S + 310)
        return seen

    assert on_stack(story, publish_interval_s=QUIET_S) == [200, 401]


def test_a_token_that_was_good_is_refused_once_its_key_is_withdrawn() -> None:
    """I3: what was verified before is not believed after the key set has changed."""

    async def story(stack: Stack) -> list[int]:
        path = stack.identity_path("only-id")
        seen = [(await stack.arm("GET", path)).status]
        management: Any = stack.node("sydney.management")
        known = management.replica.snapshot.to_json()
        snapshot = known | {"version": 9, "key_set": {"other": {"kid": "other", "k": "x"}}}
        await management.handle(management.internal("PUT", "/snapshot", snapshot))
        return [*seen, (await stack.arm("GET", path)).status]

    assert on_stack(story) == [200, 401]


MISSING: tuple[tuple[str, str], ...] = (
    (
        "/subscriptions/{sub}/resourceGroups/load/providers/Microsoft.ManagedIdentity/userAssignedIdentities/no",
        "ResourceNotFound",
    ),
    ("/subscriptions/{sub}/resourceGroups/load/providers/Microsoft.Compute/virtualMachines/no", "ResourceNotFound"),
    ("/subscriptions/{sub}/resourceGroups/load/providers/Microsoft.Storage/storageAccounts/x", "InvalidResourceType"),
    ("/subscriptions/other/resourceGroups/load/providers/Microsoft.Compute/virtualMachines/web-1", "SubscriptionNotFound"),
    ("/subscriptions/{sub}/providers/Microsoft.Compute/locations/australiaeast/operations/no", "OperationNotFound"),
    ("/subscriptions/{sub}/x", "InvalidResourceType"),
    ("/nothing/at/all", "InvalidResourceType"),
    ("/", "InvalidResourceType"),
)


@pytest.mark.parametrize(("path", "code"), MISSING)
def test_what_is_not_there_is_404_in_arms_envelope(path: str, code: str) -> None:
    """404 comes as `{"error": {"code", "message"}}`."""

    async def story(stack: Stack) -> Response:
        return await stack.arm("GET", path.replace("{sub}", stack.world.spec.subscription_id))

    answer = on_stack(story)
    assert (answer.status, error_code(answer)) == (404, code)
    assert body(answer)["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [
        {"location": 7},
        {"location": "australiaeast", "tags": "blue"},
        {"location": "australiaeast", "tags": ["blue"]},
        {"location": "atlantis"},
    ],
)
def test_a_body_that_cannot_be_meant_is_400(content: dict[str, Any]) -> None:
    """A wrong shape or an unknown location is 400 with the reason, and nothing is created."""

    async def story(stack: Stack) -> tuple[Response, int]:
        answer = await stack.arm("PUT", stack.identity_path("fresh"), content)
        return answer, (await stack.arm("GET", stack.identity_path("fresh"))).status

    answer, after = on_stack(story)
    assert answer.status == 400
    assert error_code(answer) in ("InvalidRequestContent", "LocationNotAvailableForResourceType")
    assert after == 404


def test_a_verb_that_there_is_not_is_405() -> None:
    """POST on an identity is 405."""

    async def story(stack: Stack) -> int:
        return (await stack.arm("POST", stack.identity_path("only-id"))).status

    assert on_stack(story) == 405


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("prefix", ["", "/portal"])
def test_changes_fail_while_the_store_refuses_and_reads_do_not(method: str, prefix: str) -> None:
    """Claims C5, C6: create, update and delete need the home region's store; reading does not; ARM and portal alike."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        path = prefix + stack.identity_path("only-id")
        return [(await stack.arm(method, path, {"tags": {}})).status, (await stack.arm("GET", path)).status]

    assert on_stack(story) == [500, 200]


def test_a_failed_change_says_the_inner_status_and_never_the_key() -> None:
    """What the user sees is an internal error of the identity service."""

    async def story(stack: Stack) -> tuple[Response, str]:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        answer = await stack.arm("PUT", stack.identity_path("fresh"), NEW)
        return answer, stack.world.spec.store_keys["sydney"]

    answer, secret = on_stack(story)
    assert error_code(answer) == "InternalServerError"
    assert "answered 403" in body(answer)["error"]["message"]
    assert "key" not in body(answer)["error"]["message"]
    assert secret not in str(answer)


@pytest.mark.parametrize(("node", "status"), [("sydney.store", 503), ("sydney.directory", 503)])
def test_a_silent_store_or_directory_makes_a_change_unavailable(node: str, status: int) -> None:
    """When a node that a change needs does not answer, the change is 503 and can be tried again."""

    async def story(stack: Stack) -> list[int]:
        await stack.world.hold(Carrier("node", node), "f", NodeEffect("down"))
        first = await stack.arm("PUT", stack.identity_path("fresh"), NEW)
        await stack.world.release(Carrier("node", node), "f")
        return [first.status, (await stack.arm("PUT", stack.identity_path("fresh"), NEW)).status]

    assert on_stack(story) == [status, 201]


def test_own_writes_are_read_back_before_they_are_replicated() -> None:
    """I7: the front end that took a change shows it at once, though no replica has it yet."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.directory", "f", "pause-replication", regions=["sydney", "melbourne"])
        path = stack.identity_path("fresh")
        return [(await stack.arm(method, path, NEW)).status for method in ("PUT", "GET", "DELETE", "GET")]

    assert on_stack(story) == [201, 200, 200, 404]


def test_a_change_through_the_other_front_end_wins_in_the_end() -> None:
    """I9: what one region's front end created and the other's deleted is gone at both once replicas have caught up."""

    async def story(stack: Stack) -> list[Any]:
        path = stack.identity_path("fresh")
        await stack.arm("PUT", path, NEW, region="sydney")
        await stack.wait(61)
        deleted = await stack.arm("DELETE", path, region="melbourne")
        await stack.wait(61)
        listed = await stack.arm("GET", path.rpartition("/")[0], region="sydney")
        names = [item["name"] for item in body(listed)["value"]]
        return [deleted.status, (await stack.arm("GET", path, region="sydney")).status, "fresh" in names]

    assert on_stack(story) == [200, 404, False]


def test_a_new_identity_is_found_by_the_other_front_end_at_once() -> None:
    """A front end whose replica does not have an identity yet asks the directory."""

    async def story(stack: Stack) -> int:
        await stack.arm("PUT", stack.identity_path("fresh"), NEW, region="sydney")
        return (await stack.arm("GET", stack.identity_path("fresh"), region="melbourne")).status

    assert on_stack(story) == 200


def test_acknowledged_changes_survive_the_kill_of_everybody() -> None:
    """I10: what was answered with success is there after everybody concerned was killed, and what was deleted stays deleted."""

    async def story(stack: Stack) -> list[int]:
        await stack.arm("PUT", stack.identity_path("fresh"), NEW)
        await stack.arm("DELETE", stack.identity_path("only-id"))
        for node in ("sydney.store", "sydney.directory", "sydney.management"):
            await stack.restart(node)
        await stack.wait(61)
        paths = (stack.identity_path("fresh"), stack.identity_path("only-id"))
        return [(await stack.arm("GET", path)).status for path in paths] + [(await stack.imds("single")).status]

    assert on_stack(story) == [200, 404, 400]


def test_deleting_what_the_other_region_deleted_is_204() -> None:
    """DELETE is 204 when the identity is gone already, whoever deleted it."""

    async def story(stack: Stack) -> list[int]:
        path = stack.identity_path("only-id")
        first = (await stack.arm("DELETE", path, region="melbourne")).status
        await stack.wait(61)
        return [
            first,
            (await stack.arm("DELETE", path)).status,
            (await stack.arm("DELETE", stack.identity_path("never"))).status,
        ]

    assert on_stack(story) == [200, 204, 204]
