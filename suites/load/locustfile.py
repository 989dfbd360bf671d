"""Locust's side of the load: `python -m locust -f locustfile.py`, alone, as `--master` or as `--worker`.

The environment says what to do: BROWNOUT_LOAD_FOLDER (where logs go) and, except on workers, who get it from their master,
BROWNOUT_LOAD_PLAN (a LoadPlan as JSON). BROWNOUT_LOAD_TOKEN is the bearer token with which faults are reported to the
dashboard.

Locust gives the process, the statistics, the messages between processes and the web UI, where each cohort and operation is
a row. It does not decide when requests are sent, because its own waits are closed loop.
"""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import gevent
import gevent.event
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from brownout.harness.base.processes import die_with_launcher
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.models.asks import COMMAND
from brownout.harness.load.models.model import Arrival, ArrivalResult
from brownout.identity.core.messages import Request, Response
from brownout.suites.load import dashboard
from brownout.suites.load.commands import Commands
from brownout.suites.load.engine import Engine
from brownout.suites.load.parts import Collector, LoadWorker, Master, Standalone
from brownout.suites.load.transport import Transport

die_with_launcher()


class NotHappened(Exception):
    """An arrival that did not happen; Locust counts it under this text."""

    def __repr__(self) -> str:
        return str(self)


class Arrivals(User):
    """Stands for all clients of this process: the schedule decides who they are and when each arrives."""

    @task
    def arrive(self) -> None:
        gevent.event.Event().wait()  # the engine issues; Locust kills this user when the load ends


def set_up(environment: Environment, **_: Any) -> None:
    """Sets up this process's part of the load, and routes signals so that a stop loses no record."""
    environment.process_exit_code = 0
    # Left to Python, SIGINT would raise KeyboardInterrupt in the greenlet that runs; Locust's SIGTERM does not.
    gevent.signal_handler(signal.SIGINT, os.kill, os.getpid(), signal.SIGTERM)
    collector = _take_part(environment)
    if collector is not None and environment.web_ui is not None and environment.web_ui.app is not None:
        dashboard.install(environment.web_ui.app, collector, token=os.environ.get("BROWNOUT_LOAD_TOKEN", ""))
    gc.collect()
    gc.freeze()  # imported modules never become garbage; collections that look at them would only add lag


events.init.add_listener(set_up)  # type: ignore[no-untyped-call]


def _take_part(environment: Environment) -> Collector | None:
    """Begins this process's part; returns the collector of reports, None on a worker."""
    folder, runner = Path(os.environ["BROWNOUT_LOAD_FOLDER"]), environment.runner
    assert runner is not None, "Locust makes the runner before it fires `init`"

    def make(plan: LoadPlan, worker: int) -> Engine:
        return _engine(environment, plan, folder, worker)

    if isinstance(runner, WorkerRunner):
        LoadWorker(environment, runner, make)
        return None
    plan = LoadPlan.model_validate_json(Path(os.environ["BROWNOUT_LOAD_PLAN"]).read_bytes())
    if isinstance(runner, MasterRunner):
        return Master(environment, runner, plan, folder).collector
    return Standalone(environment, runner, plan, folder, make).collector


def _engine(environment: Environment, plan: LoadPlan, folder: Path, worker: int) -> Engine:
    traceparent = plan.subject.traceparent if plan.subject is not None else ""
    transport, commands = Transport(plan.urls, traceparent=traceparent), Commands(plan)

    def send(node: str, request: Request, timeout_s: float) -> Response:
        if node == COMMAND:
            return commands.run(request.path[1:], timeout_s)
        return transport.send(node, request, timeout_s=timeout_s)

    def on_end(arrival: Arrival, result: ArrivalResult, latency_ms: float) -> None:
        environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=arrival.model,
            name=f"{arrival.cohort}/{arrival.operation}",
            response_time=latency_ms,
            response_length=0,
            context={},
            exception=None if result.outcome == "happened" else NotHappened(_ending(result)),
        )

    return Engine(plan, folder, worker, send, on_end)


def _ending(result: ArrivalResult) -> str:
    return f"{result.outcome}: {result.error or result.status}"
