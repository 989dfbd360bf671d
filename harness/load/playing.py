"""Playing a script: one object that any driver can feed, with no I/O of its own, and the driver for async code.

A driver makes each call that the script wants, and hands back the response:

    playing = begin(arrival, clients, now_s)
    step = playing.next()
    while not isinstance(step, ArrivalResult):
        step = playing.next(<the Response or the CallFailed to a Call; nothing, once a Pause is over>)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, Pause, Script, unanswered
from brownout.harness.load.models.registry import client_model
from brownout.harness.load.retries import POLICIES, Retrier
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.edge.node import NAME_CACHE
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.topology import EDGE_NODE
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

ATTEMPT = "attempt"


class Playing:
    """One script under way. Not to be used again once it has ended."""

    __slots__ = ("_script",)

    def __init__(self, script: Script) -> None:
        self._script = script

    def next(self, response: Response | CallFailed | None = None) -> Call | Pause | ArrivalResult:
        """The next call or pause, or the result when the script has ended.

        `response` is that to the last call, None at the start and after a pause.

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


def begin(arrival: Arrival, clients: Clients, now_s: float, now: Callable[[], float] | None = None) -> Playing:
    """The script of an arrival that is sent at `now_s` (emulated); raises UsageError for an unknown client model.

    `now` tells the emulated time later on, which clients that try again go by; without it time stands still for them.
    """
    script = client_model(arrival.model).script(arrival, clients, now_s)
    if arrival.name_cache:
        script = _with_name_cache(script, arrival.name_cache)
    policy = POLICIES.get(arrival.retry)
    if policy is not None:
        script = Retrier(policy, arrival, clients, now or (lambda: now_s)).play(script)
    return Playing(script)


def _with_name_cache(script: Script, cache: str) -> Script:
    """The script as it is, with the client's cache of names told in each call by name."""
    answer: Response | CallFailed | None = None
    try:
        while True:
            if answer is None:
                step = next(script)
            else:
                step = script.throw(answer) if isinstance(answer, CallFailed) else script.send(answer)
            answer = None
            if isinstance(step, Call) and step.node == EDGE_NODE:
                step = step._replace(request=step.request.with_headers({NAME_CACHE: cache}))
            try:
                answer = yield step
            except CallFailed as failed:
                answer = failed
    except StopIteration as ended:
        result: ArrivalResult = ended.value
        return result


async def perform(playing: Playing, call: Callable[[str, Request], Awaitable[Response]]) -> ArrivalResult:
    """Plays to the end over `call`, the only thing that it awaits. What `call` raises besides CallFailed is raised."""
    step = playing.next()
    while not isinstance(step, ArrivalResult):
        assert isinstance(step, Call), "clients that try again belong to a load, which has a clock"
        try:
            response: Response | CallFailed = await call(step.node, step.request)
        except CallFailed as failed:
            response = failed
        step = playing.next(response)
    return step


def attempt_record(
    arrival: Arrival, call: Call, answer: Response | CallFailed, *, sent_s: float, done_s: float, latency_ms: float
) -> RequestRecord:
    """The line of the attempts' log for one request of an arrival that tries again. Its operation is `attempt`."""
    result = unanswered(answer) if isinstance(answer, CallFailed) else _answered(answer)
    own = arrival._replace(id=f"{arrival.id}/{call.attempt}", at_s=sent_s, operation=ATTEMPT)
    return to_record(own, result, sent_s=sent_s, done_s=done_s, latency_ms=latency_ms)


def _answered(response: Response) -> ArrivalResult:
    trail = response.headers.get(TRAIL_HEADER, "")
    return ArrivalResult(response.status, "happened" if response.ok else "refused", "" if response.ok else "refused", trail)


def to_record(arrival: Arrival, result: ArrivalResult, *, sent_s: float, done_s: float, latency_ms: float) -> RequestRecord:
    """The line of the request log for an arrival that ended with `result`."""
    # For every request of a load, so that it counts what it costs: `round` to decimals takes five times as long as to a whole
    # number, and names of the sixteen fields half a microsecond.
    intended_s = round(arrival.at_s * 1e6) / 1e6
    return RequestRecord(
        arrival.id,
        arrival.cohort,
        arrival.operation,
        arrival.region,
        result.home or arrival.home,
        arrival.machine,
        intended_s,
        intended_s if sent_s == arrival.at_s else round(sent_s * 1e6) / 1e6,
        round(done_s * 1e6) / 1e6,
        round(latency_ms * 1e3) / 1e3,
        result.status,
        result.outcome,
        result.error,
        result.trail,
        arrival.front_end,
        result.credentials,
    )
