"""Playing a script: what goes in, what comes out, and the line of the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brownout.harness.load.models.model import ArrivalResult, Call, Script
from brownout.harness.load.playing import Playing, perform, to_record
from brownout.identity.core.messages import CallFailed, CallFailure, Request, Response
from support.client_scripts import TOKEN, arrival, begun, first

ASK = Call("sydney.host", Request("GET", "/"))


@pytest.mark.parametrize(("failure", "outcome"), [("refused", "refused"), ("reset", "unknown"), ("timeout", "unknown")])
def test_a_call_without_a_response_ends_the_script(failure: CallFailure, outcome: str) -> None:
    """Only a refused connection certainly did not happen; after a reset or a timeout it is not known."""
    playing, _ = begun(arrival("token", "token"))
    assert playing.next(CallFailed(failure, "sydney.host")) == ArrivalResult(0, outcome, failure)  # type: ignore[arg-type]


def test_a_script_may_handle_a_failed_call() -> None:
    """The failure is raised where the script waits, and the script may go on."""

    def stubborn() -> Script:
        try:
            yield ASK
        except CallFailed:
            response = yield ASK
            return ArrivalResult(response.status, "happened")
        raise AssertionError

    playing = Playing(stubborn())
    assert playing.next() == ASK
    assert playing.next(CallFailed("reset", "sydney.host")) == ASK
    assert playing.next(TOKEN) == ArrivalResult(200, "happened")


def test_a_mistake_in_a_script_is_raised() -> None:
    """An exception of the script is raised, and is not counted as a failure of the service."""

    def broken() -> Script:
        yield ASK
        raise ZeroDivisionError

    playing = Playing(broken())
    playing.next()
    with pytest.raises(ZeroDivisionError):
        playing.next(TOKEN)


@pytest.mark.parametrize(("failure", "outcome"), [(None, "happened"), ("reset", "unknown")])
def test_the_async_driver_plays_to_the_end(failure: Any, outcome: str) -> None:
    """Responses and failed calls of the function that it awaits go into the script."""

    async def call(node: str, request: Request) -> Response:
        assert node == "sydney.host"
        if failure:
            raise CallFailed(failure, node)
        return TOKEN

    def script() -> Script:
        response = yield ASK
        return ArrivalResult(response.status, "happened")

    assert asyncio.run(perform(Playing(script()), call)).outcome == outcome


def test_the_record_keeps_the_intended_time_to_the_microsecond() -> None:
    """A record repeats its arrival and how it ended; its intended time is the plan's, rounded to the microsecond."""
    who = arrival("token", "token", at_s=1721005200.1234567)
    answer = ArrivalResult(200, "happened", trail="a>b")
    record = to_record(who, answer, sent_s=1721005200.2, done_s=1721005200.3, latency_ms=176.5432109)
    assert (record.id, record.cohort, record.operation, record.machine) == (who.id, "cohort", "token", "vm1")
    assert abs(record.intended_s - who.at_s) <= 0.000_001
    assert (record.latency_ms, record.outcome, record.trail) == (176.543, "happened", "a>b")


CACHE_HEADER, CACHED = "x-brownout-client-name-cache", "offices-3;300;900;17"


def test_a_call_by_name_tells_the_clients_cache() -> None:
    """The edge is told, in each call; the answer and the result are the script's own."""
    playing, step = begun(arrival("sign-in", "discover", front_end="login", name_cache=CACHED))
    assert step.request.headers[CACHE_HEADER] == CACHED
    assert playing.next(Response(200, {"token_endpoint": "x"})) == ArrivalResult(200, "happened")


def test_a_call_to_an_address_tells_nothing_of_names() -> None:
    """A machine's own address needs no look-up, also for a client that has a cache."""
    step = first(arrival("token", "token", name_cache=CACHED))
    assert CACHE_HEADER not in step.request.headers


def test_a_call_that_fails_ends_a_client_with_a_cache_as_any_other() -> None:
    """The failure reaches the script, and what it makes of that is the result; so with tries again around it."""
    for retry in ("", "jittered"):
        playing, _ = begun(arrival("sign-in", "discover", front_end="login", name_cache=CACHED, retry=retry))
        step = playing.next(CallFailed("timeout", "client.edge"))
        while not isinstance(step, ArrivalResult):
            step = playing.next(CallFailed("timeout", "client.edge") if isinstance(step, Call) else None)
        assert step == ArrivalResult(0, "unknown", "timeout")
