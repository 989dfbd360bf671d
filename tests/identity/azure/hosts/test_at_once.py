"""Tokens that a host has ready: the same answers as any other way, and none while anything else has a say."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.azure.hosts.endpoint import Asked
from brownout.identity.azure.hosts.imds import Imds
from brownout.identity.azure.hosts.surface import MachineEndpoints
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.surface import Served
from support.identity_stacks import EPOCH_S, HOUR_S, QUIET_S, TOKEN_PATH, VAULT, Stack, on_stack

MACHINE = "single"


def asked(*lines: tuple[bytes, bytes], machine: str = MACHINE, more: str = "", method: str = "GET") -> Request:
    """A token request as it stands on the wire, with further header lines and a longer query."""
    headers = ((b"host", b"h"), (b"metadata", b"true"), *lines)
    return Request.raw(method, f"/{machine}/{TOKEN_PATH}?api-version=2018-02-01&resource={VAULT}{more}", headers)


def endpoints(stack: Stack) -> tuple[Host, MachineEndpoints]:
    node = stack.node("sydney.host")
    assert isinstance(node, Host)
    surface = node.surfaces[-1]
    assert isinstance(surface, MachineEndpoints)
    return node, surface


def ready(stack: Stack, request: Request) -> Served | None:
    return endpoints(stack)[1].at_once(request)


def test_what_is_ready_is_what_is_served() -> None:
    """A token that is fresh in the cache is the same answer either way, with the same trail, and is counted the same."""

    async def story(stack: Stack) -> None:
        node, surface = endpoints(stack)
        await stack.token(MACHINE)
        before = node.requests[MACHINE]
        for request in (asked(), asked((b"x-ms-client-request-id", b"1")), asked(more="&other=1")):
            at_once, served = surface.at_once(request), await surface.serve(request)
            assert at_once is not None
            assert at_once.sealed() == served.sealed()
            assert str(at_once.hop) == "sydney.host;;;;hit"
        assert node.requests[MACHINE] == before + 6
        assert MACHINE in node.unnamed

    on_stack(story)


def test_nothing_is_ready_before_the_first_token_and_nothing_is_counted_for_that() -> None:
    """A cold cache leaves the request to the usual way, as if it had not been looked at."""

    async def story(stack: Stack) -> None:
        assert ready(stack, asked()) is None
        assert MACHINE not in endpoints(stack)[0].requests

    on_stack(story)


@pytest.mark.parametrize(
    "request_",
    [
        asked(machine="nobody"),
        asked(method="POST"),
        asked((b"x-forwarded-for", b"1.2.3.4")),
        asked(more="&bypass_cache=true"),
        asked(more="&client_id=00000000-0000-0000-0000-000000000000"),
        asked(more="&resource=x"),
        Request.raw("GET", f"/{MACHINE}/{TOKEN_PATH}?api-version=2018-02-01&resource={VAULT}", ((b"host", b"h"),)),
        Request.raw("GET", f"/{MACHINE}/metadata/instance?api-version=2018-02-01", ((b"metadata", b"true"),)),
        Request.raw("GET", "/_brownout/admin/state", ((b"metadata", b"true"),)),
    ],
    ids=["machine", "verb", "forwarded", "bypass", "selector", "doubled", "no header", "instance", "control"],
)
def test_what_is_not_a_plain_good_request_is_never_ready(request_: Request) -> None:
    """Also after the good request of the same machine was understood and answered."""

    async def story(stack: Stack) -> None:
        await stack.token(MACHINE)
        assert ready(stack, asked()) is not None
        assert ready(stack, request_) is None

    on_stack(story)


async def _forced(stack: Stack) -> None:
    await stack.hold("sydney.host", "f", "answer", status=500)


async def _limited(stack: Stack) -> None:
    await stack.hold("sydney.host", "f", "capacity", at_once=1)


async def _dropped(stack: Stack) -> None:
    endpoints(stack)[0].drop_caches()


async def _due(stack: Stack) -> None:
    await stack.wait(EPOCH_S + 13 * HOUR_S - stack.world.now())


async def _detached(stack: Stack) -> None:
    residents = endpoints(stack)[0].residents
    machine = residents.find(MACHINE)
    assert machine is not None
    residents.add(replace(machine, identities=()))


@pytest.mark.parametrize("happens", [_forced, _limited, _dropped, _due, _detached])
def test_what_was_ready_is_not_ready_any_more(happens: Callable[[Stack], Coroutine[Any, Any, None]]) -> None:
    """A fault that has a say, a limit, an empty cache, a refresh that is due and an identity that is gone are seen at once."""

    async def story(stack: Stack) -> None:
        await stack.token(MACHINE)
        assert ready(stack, asked()) is not None
        await happens(stack)
        assert ready(stack, asked()) is None

    on_stack(story, publish_interval_s=QUIET_S)


def test_another_identity_of_the_machine_is_seen_by_a_request_that_was_understood_before() -> None:
    """The same bytes mean whom the machine has now: what was understood is good for that very record of the machine."""

    async def story(stack: Stack) -> None:
        node, _ = endpoints(stack)
        request, imds = asked(), Imds(node)
        machine, other = node.residents.find(MACHINE), node.residents.find("several")
        assert machine is not None
        assert other is not None
        changed = replace(machine, identities=other.identities[:1])
        for record in (machine, changed, machine):
            for _ in range(2):
                understood = imds.read(request, record)
                assert isinstance(understood, Asked)
                assert understood.identity is record.identities[0]

    on_stack(story)


def test_limits_of_imds_leave_nothing_ready() -> None:
    """With limits each request is counted against them, so none is answered before."""

    async def story(stack: Stack) -> None:
        await stack.token(MACHINE)
        assert ready(stack, asked()) is None

    on_stack(story, imds_requests_per_s=20)
