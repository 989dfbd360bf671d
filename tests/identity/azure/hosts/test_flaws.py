"""Wrong answers on purpose: one mechanism for every kind of endpoint, in the endpoint's own words, and each flaw shows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brownout.identity.azure.hosts.endpoint import KINDS
from brownout.identity.azure.hosts.flaws import FLAWS, NOT_WHOLE, SHORT_LIFE_S
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.server.answering import Answering, BrokenOff, Received
from support.azure_endpoints import OWN, ask
from support.identity_stacks import Stack, body, hops, on_stack

# A flaw about a field that the endpoint does not have changes nothing.
WITHOUT_EXPIRES_IN = ("app-service", "service-fabric")


async def held(stack: Stack, kind: str, **value: Any) -> Response:
    await stack.hold("sydney.host", "f", "answer", endpoint=kind, **value)
    return await ask(stack, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flaw", [name for name in FLAWS if name not in NOT_WHOLE])
def test_a_flaw_shows_while_it_is_held_and_not_before_or_after(kind: str, flaw: str) -> None:
    """On each kind of endpoint; another endpoint of the same machine is not concerned."""

    async def story(stack: Stack) -> list[bool]:
        shows = FLAWS[flaw].shows
        before = await ask(stack, kind)
        during, other = await held(stack, kind, flaw=flaw), await ask(stack, "imds" if kind != "imds" else "arc")
        await stack.release("sydney.host", "f")
        return [shows(answer, stack.world.now()) for answer in (before, during, other, await ask(stack, kind))]

    has_it_anyway = flaw == "no-expires-in" and kind in WITHOUT_EXPIRES_IN
    assert on_stack(story) == [has_it_anyway, True, False, has_it_anyway]


def test_an_answer_after_a_flaw_is_the_one_before_it_line_for_line() -> None:
    """An answer that is kept ready for several requests is not touched by the flaw that one of them meets."""

    async def story(stack: Stack) -> list[Response]:
        await ask(stack, "imds")
        flawed = await held(stack, "imds", flaw="html")
        await stack.release("sydney.host", "f")
        after = await ask(stack, "imds")
        return [flawed, after]

    flawed, after = on_stack(story)
    assert flawed.media_type == "text/html"
    assert [name for name, _ in after.raw_headers] == [b"server", b"x-brownout-trail", b"content-type"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flaw", NOT_WHOLE)
def test_half_an_answer_and_none_are_a_broken_connection(kind: str, flaw: str) -> None:
    """The client gets no answer that it could read."""

    async def story(stack: Stack) -> str:
        try:
            await held(stack, kind, flaw=flaw)
        except CallFailed as failed:
            return failed.failure
        return "answered"

    assert on_stack(story) == "reset"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [400, 403, 410, 429, 500, 503])
def test_a_forced_status_has_a_body_in_the_endpoints_own_shape(kind: str, status: int) -> None:
    """Never an empty one, and never a token; Retry-After where it is asked for."""

    async def story(stack: Stack) -> Response:
        return await held(stack, kind, status=status, retry_after_s=3)

    answer = on_stack(story)
    assert (answer.status, answer.headers["retry-after"]) == (status, "3")
    shape = {"app-service": "statusCode"}.get(kind, "error")
    assert shape in body(answer)
    assert "access_token" not in body(answer)


def test_a_flaw_may_have_a_status_too() -> None:
    """A 500 without a body, which the sync client of App Service cannot read."""

    async def story(stack: Stack) -> tuple[int, bytes]:
        answer = await held(stack, "app-service", flaw="empty", status=500)
        return answer.status, answer.payload

    assert on_stack(story) == (500, b"")


def test_a_short_life_is_short_by_either_field() -> None:
    """What is left and when it ends agree."""

    async def story(stack: Stack) -> None:
        fields = body(await held(stack, "imds", flaw="short-life"))
        assert int(fields["expires_in"]) == SHORT_LIFE_S
        assert int(fields["expires_on"]) - stack.world.now() == pytest.approx(SHORT_LIFE_S, abs=1)

    on_stack(story)


def test_a_flawed_answer_shows_who_served_it() -> None:
    """The trail is that of the answer that it was made from, so that exposure and records stay true."""
    assert hops(on_stack(lambda stack: held(stack, "imds", flaw="html")))[-1].node == "sydney.store"


@pytest.mark.parametrize(
    "value", [{"flaw": "ugly"}, {"endpoint": "ftp", "status": 500}, {"endpoint": "imds"}, {"flaw": "html", "status": 99}]
)
def test_an_order_that_cannot_be_is_refused(value: dict[str, Any]) -> None:
    """An unknown flaw or endpoint, an order without status and flaw, a status of no answer."""
    assert on_stack(lambda stack: stack.try_hold("sydney.host", "f", "answer", value)).status == 400


def test_flaws_count_as_answers() -> None:
    """`times` flawed answers, then good ones, for the machine named alone."""

    async def story(stack: Stack) -> list[str]:
        await stack.hold("sydney.host", "f", "answer", flaw="html", times=2, machine=OWN)
        machines = (OWN, "web-2", OWN, OWN)
        return [(await ask(stack, "imds", machine)).media_type for machine in machines]

    assert on_stack(story) == ["text/html", "application/json", "text/html", "application/json"]


def test_a_server_sends_half_and_says_that_the_connection_ends() -> None:
    """The head promises the whole length, and the rest never comes."""

    class Node:
        async def handle(self, request: object) -> Response:
            return Response(200, {"access_token": "x" * 40}).cut_short(10)

    with pytest.raises(BrokenOff) as broken:
        asyncio.run(Answering(Node()).answer(Received(Request("GET", "/"), is_last=False), b""))
    head, _, sent = broken.value.sent.partition(b"\r\n\r\n")
    assert sent == b'{"access_t'
    assert b"content-length: 59" in head


def test_a_server_sends_nothing_of_an_answer_that_is_dropped() -> None:
    """Not even its head."""

    class Node:
        async def handle(self, request: object) -> Response:
            return Response(200, {"access_token": "x" * 40}).dropped()

    with pytest.raises(BrokenOff) as broken:
        asyncio.run(Answering(Node()).answer(Received(Request("GET", "/"), is_last=False), b""))
    assert broken.value.sent == b""
