"""ARM is one service: either region's front end gives the same answer; and it refuses what the real one refuses."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.entra.claims import ARM_AUDIENCES
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import QUIET_S, Stack, body, error_code, hops, on_stack

REGIONS = ("sydney", "melbourne")
SYSTEM = {"location": "australiasoutheast", "identity": {"type": "SystemAssigned"}, "tags": {"k": "v"}}


async def both(stack: Stack, method: str, path: str, content: dict[str, Any] | None = None) -> list[Response]:
    return [await stack.arm(method, path, content, region=region) for region in REGIONS]


@pytest.mark.parametrize("machine", ["web-1", "south-1", "scaleout", "nobody"])
def test_a_machine_reads_the_same_everywhere(machine: str) -> None:
    """GET of a machine of either region, and of none, through both front ends."""

    async def story(stack: Stack) -> None:
        here, there = await both(stack, "GET", stack.machine_path(machine))
        assert (here.status, here.body) == (there.status, there.body)
        assert here.status == (404 if machine in ("nobody", "scaleout") else 200)

    on_stack(story)


def test_a_machine_lives_its_life_through_the_other_front_end() -> None:
    """Created, polled, changed, listed and deleted from the region that it is not in; its own host gives its token."""

    async def story(stack: Stack) -> None:
        path = stack.machine_path("vm")
        made = await stack.arm("PUT", path, SYSTEM)
        assert (made.status, body(made)["location"]) == (201, "australiasoutheast")
        operation = made.headers["azure-asyncoperation"].removeprefix("http://management").partition("?")[0]
        assert [body(answer)["status"] for answer in await both(stack, "GET", operation)] == ["Succeeded"] * 2
        await stack.token("vm", region="melbourne")
        changed = await stack.arm("PATCH", path, {"tags": {"k": "w"}})
        assert (body(changed)["tags"], body(changed)["identity"]["type"]) == ({"k": "w"}, "SystemAssigned")
        kept = await stack.arm("PATCH", path, {"identity": {"type": "SystemAssigned"}})
        assert body(kept)["tags"] == {"k": "w"}
        assert [hop.node for hop in hops(changed)][:2] == ["sydney.management", "melbourne.management"]
        lists = await both(stack, "GET", f"{stack.group}/providers/Microsoft.Compute/virtualMachines")
        assert lists[0].body == lists[1].body
        assert "vm" in [item["name"] for item in body(lists[0])["value"]]
        assert [answer.status for answer in await both(stack, "DELETE", path)] == [202, 204]

    on_stack(story)


def test_a_front_end_that_cannot_ask_the_other_says_so() -> None:
    """What may exist in a region that does not answer is 503 and never 404; its own machines are not concerned."""

    async def story(stack: Stack) -> list[int]:
        cut = Carrier("link", "sydney.management->melbourne.management")
        await stack.world.hold(cut, "f", LinkEffect("refuse"))
        list_path = f"{stack.group}/providers/Microsoft.Compute/virtualMachines"
        paths = [stack.machine_path(name) for name in ("south-1", "nobody", "web-1")]
        return [(await stack.arm("GET", path)).status for path in (*paths, list_path)]

    assert on_stack(story, publish_interval_s=QUIET_S) == [503, 503, 200, 503]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", ["identity", "machine"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_location_cannot_change(region: str, kind: str, method: str) -> None:
    """409 InvalidResourceLocation for an identity and a machine, through either front end; another spelling is no change."""

    async def story(stack: Stack) -> None:
        path = stack.identity_path("only-id") if kind == "identity" else stack.machine_path("single")
        moved = await stack.arm(method, path, {"location": "australiasoutheast"}, region=region)
        assert (moved.status, error_code(moved)) == (409, "InvalidResourceLocation")
        assert (await stack.arm(method, path, {"location": "Australia East"}, region=region)).status == 200

    on_stack(story)


@pytest.mark.parametrize("prefix", ["", "/portal", "/", "//portal"])
@pytest.mark.parametrize(
    ("version", "code"), [("", "MissingApiVersionParameter"), ("banana", "InvalidApiVersionParameter"), ("2024-11-30", "")]
)
def test_every_request_names_its_version(prefix: str, version: str, code: str) -> None:
    """400 without `api-version` or with one that is no date, on every path that needs a token."""

    async def story(stack: Stack) -> None:
        headers = {"authorization": f"Bearer {stack.user_token}"}
        request = Request("GET", prefix + stack.identity_path("only-id"), {"api-version": version} if version else {}, headers)
        answer = await stack.world.client("sydney.management", request, timeout_s=5)
        assert (answer.status, error_code(answer) if code else "") == (400 if code else 200, code)

    on_stack(story)


@pytest.mark.parametrize("audience", [*ARM_AUDIENCES, "https://vault.azure.net", "https://management.azure.com//"])
def test_the_audiences_that_the_error_lists_are_taken(audience: str) -> None:
    """Each of the four opens ARM; any other is 401, with the list."""

    async def story(stack: Stack) -> None:
        token = await stack.token("web-1", resource=audience)
        answer = await stack.arm("GET", stack.identity_path("only-id"), token=token)
        assert answer.status == (200 if audience in ARM_AUDIENCES else 401)
        if not answer.ok:
            assert all(f"'{each}'" in body(answer)["error"]["message"] for each in ARM_AUDIENCES)

    on_stack(story)


@pytest.mark.parametrize("kind", ["Microsoft.Compute/virtualMachines", "Microsoft.ManagedIdentity/userAssignedIdentities"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a_collection_is_only_read(kind: str, method: str) -> None:
    """A resource without a name is a list: any other verb than GET is 405 and says which is allowed."""

    async def story(stack: Stack) -> Response:
        return await stack.arm(method, f"{stack.group}/providers/{kind}/", {"location": "australiaeast"})

    answer = on_stack(story)
    assert (answer.status, error_code(answer), answer.headers["allow"]) == (405, "MethodNotAllowed", "GET")


def test_patch_keeps_what_it_does_not_name() -> None:
    """Tags stay when the isolation scope changes, the scope when tags do, and both reach the other region with the replicas."""

    async def story(stack: Stack) -> None:
        path = stack.identity_path("new")
        await stack.arm("PUT", path, {"location": "australiaeast", "tags": {"k": "v"}})
        scoped = body(await stack.arm("PATCH", path, {"properties": {"isolationScope": "Regional"}}))
        tagged = body(await stack.arm("PATCH", path, {"tags": {"k": "w"}}))
        assert (scoped["tags"], scoped["properties"]["isolationScope"]) == ({"k": "v"}, "Regional")
        assert (tagged["tags"], tagged["properties"]["isolationScope"]) == ({"k": "w"}, "Regional")
        await stack.wait(120)
        assert body(await stack.arm("GET", path, region="melbourne")) == tagged
        assert (await stack.arm("PATCH", path, {"properties": {"isolationScope": "Nowhere"}})).status == 400

    on_stack(story)


def test_doubled_slashes_mean_the_same_resource() -> None:
    """An id with a slash too many, or one at its end, is no other machine."""

    async def story(stack: Stack) -> list[Any]:
        path = stack.machine_path("web-1")
        spelled = (path, path + "/", "/" + path, path.replace("/providers/", "//providers//"))
        return [body(await stack.arm("GET", each)) for each in spelled]

    first, *others = on_stack(story)
    assert others == [first] * 3


@pytest.mark.parametrize("content", [{}, {"location": ""}, {"tags": {}}])
def test_a_new_resource_names_its_location(content: dict[str, Any]) -> None:
    """Without one, where it would be made would depend on the front end; what exists may be put again without it."""

    async def story(stack: Stack) -> list[int]:
        new = [stack.identity_path("new"), stack.machine_path("new")]
        known = [stack.identity_path("only-id"), stack.machine_path("web-1")]
        return [(await stack.arm("PUT", path, content)).status for path in (*new, *known)]

    assert on_stack(story) == [400, 400, 200, 200]


NAMES = ("a\nb", "a b", "_a", "a%0Ab", "\u202ea", "x" * 129, "a\x1b[2K")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_forge_a_line_is_refused(name: str) -> None:
    """Identities, machines and groups are named as Azure allows: no control character gets into a record or a log."""

    async def story(stack: Stack) -> list[int]:
        group = stack.identity_path("fine").replace("/load/", f"/{name}/")
        paths = (stack.identity_path(name), stack.machine_path(name), group)
        answers = [await stack.arm("PUT", path, {"location": "australiaeast"}) for path in paths]
        return [answer.status for answer in answers[: 2 if name == "_a" else 3]]

    assert set(on_stack(story)) == {400}


@pytest.mark.parametrize(("method", "left"), [("PUT", ["second-id"]), ("PATCH", ["only-id", "second-id"])])
def test_put_replaces_the_assigned_identities_and_patch_merges_them(method: str, left: list[str]) -> None:
    """A machine with one identity is given another: PUT leaves the new one alone, PATCH both."""

    async def story(stack: Stack) -> list[str]:
        block = {"type": "UserAssigned", "userAssignedIdentities": {stack.identity_path("second-id"): {}}}
        await stack.arm(method, stack.machine_path("single"), {"location": "australiaeast", "identity": block})
        shown = body(await stack.arm("GET", stack.machine_path("single")))
        return sorted(resource_id.rpartition("/")[2] for resource_id in shown["identity"]["userAssignedIdentities"])

    assert on_stack(story) == left


def test_the_subscription_is_found() -> None:
    """Sign-in of command lines lists subscriptions first."""

    async def story(stack: Stack) -> None:
        listed = await stack.arm("GET", "/subscriptions")
        (only,) = body(listed)["value"]
        assert only["subscriptionId"] == stack.world.spec.subscription_id
        assert body(await stack.arm("GET", only["id"])) == only

    on_stack(story)
