"""Playing a script: one object that any driver can feed, with no I/O of its own, and the driver for async code.

A driver makes each call that the script wants, and hands back the response:

    playing = begin(arrival, clients, now_s)
    step = playing.next()
    while isinstance(step, Call):
        step = playing.next(<the Response, or the CallFailed>)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, Script
from brownout.harness.load.models.registry import client_model
from brownout.harness.record.history import RequestOutcome, RequestRecord
from brownout.identity.core.messages import CallFailed, Request, Response


class Playing:
    """One script under way. Not to be used again once it has ended."""

    __slots__ = ("_script",)

    def __init__(self, script: Script) -> None:
        self._script = script

    def next(self, response: Response | CallFailed | None = None) -> Call | ArrivalResult:
        """The next call, or the result when the script has ended. `response` is that to the last call, None at the start.

        A CallFailed that the script does not handle ends it with the result that the failure implies. Any other
        exception of the script is raised: it is a mistake in the client model.
        """
        try:
            if response is None:
                return next(self._script)
            if isinstance(response, CallFailed):
                return self._script.throw(response)
            return self._script.send(response)
        except StopIteration as ended:
            result: ArrivalResult = ended.value
            return result
        except CallFailed as failed:
            return unanswered(failed)


def begin(arrival: Arrival, clients: Clients, now_s: float) -> Playing:
    """The script of an arrival that is sent at `now_s` (emulated); raises UsageError for an unknown client model."""
    return Playing(client_model(arrival.model).script(arrival, clients, now_s))


async def perform(playing: Playing, call: Callable[[str, Request], Awaitable[Response]]) -> ArrivalResult:
    """Plays to the end over `call`, the only thing that it awaits. What `call` raises besides CallFailed is raised."""
    step = playing.next()
    while isinstance(step, Call):
        try:
            response: Response | CallFailed = await call(step.node, step.request)
        except CallFailed as failed:
            response = failed
        step = playing.next(response)
    return step


def unanswered(failed: CallFailed) -> ArrivalResult:
    """The result of an arrival whose call failed: only a refused connection certainly did nothing."""
    outcome: RequestOutcome = "refused" if failed.failure == "refused" else "unknown"
    return ArrivalResult(0, outcome, failed.failure)


def to_record(arrival: Arrival, result: ArrivalResult, *, sent_s: float, done_s: float, latency_ms: float) -> RequestRecord:
    """The line of the request log for an arrival that ended with `result`."""
    intended_s = round(arrival.at_s, 6)  # half a microsecond: rounding decimals is what costs most here
    return RequestRecord(
        id=arrival.id,
        cohort=arrival.cohort,
        operation=arrival.operation,
        region=arrival.region,
        home=result.home or arrival.home,
        machine=arrival.machine,
        intended_s=intended_s,
        sent_s=intended_s if sent_s == arrival.at_s else round(sent_s, 6),
        done_s=round(done_s, 6),
        latency_ms=round(latency_ms, 3),
        status=result.status,
        outcome=result.outcome,
        error=result.error,
        trail=result.trail,
        front_end=arrival.front_end,
    )
