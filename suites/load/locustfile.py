"""Locust's side of the load: `python -m locust -f locustfile.py --headless`, one user that runs the whole schedule.

The environment says what to do: BROWNOUT_LOAD_PLAN (a LoadPlan as JSON), BROWNOUT_LOAD_FOLDER (where logs go), and
for several workers BROWNOUT_LOAD_WORKER and BROWNOUT_LOAD_WORKERS (this one's index, and how many there are). The
file serves a standalone Locust and, with `--master` and `--worker -u WORKERS`, a distributed one: each worker keeps
logs of its own.

Locust gives the process, the statistics and the web UI, where each cohort and operation is a row; it decides nothing
about when requests go out, because its own waits are closed loop.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import gevent
import gevent.event
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner

from harness.load.child import die_with_parent
from harness.load.clients import Answer
from harness.load.heartbeat import PERIOD_S
from harness.load.plan import Arrival, LoadPlan
from identity.core.messages import Request, Response
from suites.load.engine import Engine, Share
from suites.load.transport import Transport

_FLUSH_S = 0.1
_CANNOT_WRITE = 74

die_with_parent()


class NotHappened(Exception):
    """How an arrival ended that did not happen; Locust counts it under this text."""

    def __repr__(self) -> str:
        return str(self)


class Arrivals(User):
    """All clients of this worker's share: the schedule decides who they are and when each turns up."""

    engine: ClassVar[Engine]

    @task
    def arrive(self) -> None:
        self.engine.run()
        gevent.event.Event().wait()  # Locust would begin the task again; it kills the user when the load ends


def set_up(environment: Environment, **_: Any) -> None:
    """Builds the engine (a distributed master issues nothing) and routes signals so that a stop loses no record."""
    environment.process_exit_code = 0
    # Left to Python, SIGINT would raise KeyboardInterrupt in whichever greenlet runs; Locust's SIGTERM does not.
    gevent.signal_handler(signal.SIGINT, os.kill, os.getpid(), signal.SIGTERM)
    if isinstance(environment.runner, MasterRunner):
        return
    engine = _engine(environment)
    Arrivals.engine = engine
    environment.events.quitting.add_listener(lambda **_: engine.drain())  # type: ignore[no-untyped-call]
    _every(_FLUSH_S, engine.flush)
    _every(PERIOD_S, engine.beat)
    gc.collect()
    gc.freeze()  # what was imported never becomes garbage; looking through it again would only add lag


events.init.add_listener(set_up)  # type: ignore[no-untyped-call]


def _engine(environment: Environment) -> Engine:
    plan = LoadPlan.model_validate_json(Path(os.environ["BROWNOUT_LOAD_PLAN"]).read_bytes())
    share = Share(
        int(os.environ.get("BROWNOUT_LOAD_WORKER", "0")),
        int(os.environ.get("BROWNOUT_LOAD_WORKERS", "1")),
    )
    transport = Transport(plan.urls)

    def send(node: str, request: Request, timeout_s: float) -> Response:
        return transport.send(node, request, timeout_s=timeout_s)

    def report(arrival: Arrival, answer: Answer, latency_ms: float) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=arrival.model,
            name=f"{arrival.cohort}/{arrival.operation}",
            response_time=latency_ms,
            response_length=0,
            context={},
            exception=None if answer.outcome == "happened" else NotHappened(_ending(answer)),
        )

    return Engine(plan, Path(os.environ["BROWNOUT_LOAD_FOLDER"]), share, send, report)


def _ending(answer: Answer) -> str:
    return f"{answer.outcome}: {answer.error or answer.status}"


def _every(period_s: float, act: Callable[[], None]) -> None:
    """Acts for as long as the process lives; a log that cannot be written ends it, because nothing counts then."""

    def forever() -> None:
        while True:
            act()
            gevent.sleep(period_s)

    gevent.spawn(forever).link_exception(lambda _: os._exit(_CANNOT_WRITE))
