"""Which machine a request means, by its path, its host name or neither; no name can mean a page of ours or another machine."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import MACHINES, TOKEN_PATH, VAULT, Stack, body, on_stack

SYSTEM = {"location": "australiaeast", "identity": {"type": "SystemAssigned"}}
QUERY = {"api-version": "2018-02-01", "resource": VAULT}


async def ask(stack: Stack, path: str, host: str = "") -> Response:
    headers = {"metadata": "true"} | ({"host": host} if host else {})
    return await stack.world.client("sydney.host", Request("GET", path, QUERY, headers), timeout_s=5)


async def client_of(stack: Stack, path: str, host: str = "") -> str:
    answer = await ask(stack, path, host)
    assert answer.status == 200, answer
    return str(body(answer)["client_id"])


def own_id(stack: Stack, machine: str) -> str:
    return stack.world.spec.identity(f"{machine}-system").client_id


def other_group(stack: Stack, name: str) -> str:
    return stack.machine_path(name).replace("/resourceGroups/load/", "/resourceGroups/rg-other/")


RESOURCE = "https%3A%2F%2Fvault.azure.net"
SENT = {  # docs/reference/real-clients.md#other-languages
    "JavaScript 3": (f"/{TOKEN_PATH}?resource={RESOURCE}&api-version=2018-02-01", "127.0.0.1:39871", "web-1"),
    "JavaScript 4": (f"/web-2/{TOKEN_PATH}/?api-version=2018-02-01&resource={RESOURCE}", "127.0.0.1:39871", "web-2"),
    "Go": (f"/{TOKEN_PATH}?api-version=2018-02-01&resource={RESOURCE}", "169.254.169.254", "web-1"),
}


@pytest.mark.parametrize(("target", "host", "machine"), SENT.values(), ids=SENT)
def test_what_clients_of_other_languages_send_gets_a_token(target: str, host: str, machine: str) -> None:
    """Their request lines, as they were seen, with the host names that they send."""

    async def story(stack: Stack) -> bool:
        request = Request.raw("GET", target, ((b"metadata", b"true"), (b"host", host.encode())))
        answer = await stack.world.client("sydney.host", request, timeout_s=5)
        return bool(body(answer)["client_id"] == own_id(stack, machine))

    assert on_stack(story)


@pytest.mark.parametrize("path", ["/web-2/{}", "/web-2/{}/", "//web-2//{}", "/web-2//metadata//identity/oauth2//token//"])
def test_slashes_too_many_do_not_matter(path: str) -> None:
    """Clients in JavaScript end the path with a slash, and proxies double them."""

    async def story(stack: Stack) -> bool:
        return await client_of(stack, path.format(TOKEN_PATH)) == own_id(stack, "web-2")

    assert on_stack(story)


@pytest.mark.parametrize(
    ("settings", "host", "machine"),
    [
        ({}, "", "web-1"),
        ({}, "169.254.169.254", "web-1"),
        ({}, "127.0.0.1:8080", "web-1"),
        ({"default_machines": {"sydney": "web-3"}}, "169.254.169.254", "web-3"),
        ({}, "web-2.localhost:8080", "web-2"),
        ({"default_machines": {"sydney": "web-3"}}, "WEB-2.localhost", "web-2"),
        ({"default_machines": {"sydney": "scaleout_4"}}, "", "scaleout"),
    ],
)
@pytest.mark.parametrize("end", ["", "/"])
def test_a_client_that_knows_only_a_host_is_on_one_machine(
    settings: dict[str, object], host: str, machine: str, end: str
) -> None:
    """Without a machine in the path, a `.localhost` name says which one; else it is the region's default machine."""

    async def story(stack: Stack) -> bool:
        return await client_of(stack, f"/{TOKEN_PATH}{end}", host) == own_id(stack, machine)

    assert on_stack(story, **settings)


def test_a_host_name_of_no_machine_is_404() -> None:
    """It does not fall back to the default machine, which has another identity."""
    assert on_stack(lambda stack: ask(stack, f"/{TOKEN_PATH}", "web-9.localhost")).status == 404


def test_a_default_machine_that_there_is_not_is_refused() -> None:
    """A setting that names another region's machine, or none, is a mistake in the settings."""
    for machine in ("south-1", "nobody", "web-1_2"):
        with pytest.raises(UsageError, match="default_machines"):
            build_stack(seed=1, machines=MACHINES, settings={"default_machines": {"sydney": machine}})


@pytest.mark.parametrize("name", ["admin", "healthz", "machines", "metadata", "brownout", "relay", "snapshot", "token"])
def test_a_machine_may_be_called_like_a_page(name: str) -> None:
    """What nodes and the harness ask of a host is where no machine's name leads."""

    async def story(stack: Stack) -> list[int]:
        assert (await stack.arm("PUT", stack.machine_path(name), SYSTEM)).status == 201
        return [(await ask(stack, f"/{name}/{TOKEN_PATH}")).status, (await ask(stack, f"/{TOKEN_PATH}")).status]

    assert on_stack(story) == [200, 200]


@pytest.mark.parametrize("name", ["_brownout", "a@b", "a b", "-a", "a.", "x" * 65, "a%0Ab", "ü", "a;b", "a\nb"])
def test_a_name_that_azure_does_not_allow_is_refused(name: str) -> None:
    """So no machine can be called like our own pages, and none can put a line break into a log."""

    async def story(stack: Stack) -> int:
        return (await stack.arm("PUT", stack.machine_path(name), SYSTEM)).status

    assert on_stack(story) == 400


def test_machines_of_one_name_in_two_groups_are_two_machines() -> None:
    """The first keeps its URL and its identity whatever happens to the second, which is at NAME@GROUP, as the first is too."""

    async def story(stack: Stack) -> None:
        await stack.create_group("rg-other")
        first = own_id(stack, "web-2")
        made = await stack.arm("PUT", other_group(stack, "WEB-2"), SYSTEM)
        assert made.status == 201
        second = await client_of(stack, f"/web-2@RG-other/{TOKEN_PATH}")
        assert [await client_of(stack, f"/{name}/{TOKEN_PATH}") for name in ("web-2", "web-2@load", "Web-2")] == [first] * 3
        assert second != first
        await stack.restart("sydney.host")
        assert await client_of(stack, f"/web-2@rg-other/{TOKEN_PATH}") == second
        assert (await stack.arm("DELETE", other_group(stack, "web-2"))).ok
        assert await client_of(stack, f"/web-2/{TOKEN_PATH}") == first
        assert (await ask(stack, f"/web-2@rg-other/{TOKEN_PATH}")).status == 404

    on_stack(story)


def test_the_first_of_two_may_go_and_leaves_the_other_where_it_is() -> None:
    """Deleting the first machine moves nobody: the second stays at NAME@GROUP, also through a restart."""

    async def story(stack: Stack) -> list[int]:
        await stack.create_group("rg-other")
        await stack.arm("PUT", other_group(stack, "web-2"), SYSTEM)
        assert (await stack.arm("DELETE", stack.machine_path("web-2"))).ok
        await stack.restart("sydney.host")
        return [(await ask(stack, f"/{name}/{TOKEN_PATH}")).status for name in ("web-2", "web-2@load", "web-2@rg-other")]

    assert on_stack(story) == [404, 404, 200]


def test_a_machine_called_like_an_instance_of_a_scale_set_does_not_take_its_place() -> None:
    """In the set's own group there cannot be one; in another group it is a machine of its own."""

    async def story(stack: Stack) -> None:
        await stack.create_group("rg-other")
        assert (await stack.arm("PUT", stack.machine_path("scaleout_3"), SYSTEM)).status == 409
        assert (await stack.arm("PUT", other_group(stack, "scaleout_3"), SYSTEM)).status == 201
        instance = own_id(stack, "scaleout")
        assert await client_of(stack, f"/scaleout_3/{TOKEN_PATH}") == instance
        assert await client_of(stack, f"/scaleout_3@load/{TOKEN_PATH}") == instance
        assert await client_of(stack, f"/scaleout_3@rg-other/{TOKEN_PATH}") != instance

    on_stack(story)


def test_tokens_of_machines_of_one_name_are_not_shared() -> None:
    """One user-assigned identity on both: each machine has its own token in the host's cache."""

    async def story(stack: Stack) -> bool:
        await stack.create_group("rg-other")
        shared = {"type": "UserAssigned", "userAssignedIdentities": {stack.identity_path("only-id"): {}}}
        path = other_group(stack, "single")
        await stack.arm("PUT", path, {"location": "australiaeast", "identity": shared})
        first, second = [body(await ask(stack, f"/{name}/{TOKEN_PATH}")) for name in ("single", "single@rg-other")]
        return bool(first["client_id"] == second["client_id"] and first["access_token"] != second["access_token"])

    assert on_stack(story)
