"""Starts, watches and stops the Locust process that issues a plan's arrivals.

Locust patches everything with gevent when it is imported, so it lives in a process of its own and is never imported
here: its file is found through the entry point `locust` of the group `brownout.load`, without loading it. Verdicts
come from the request log that this process writes, never from Locust's rounded statistics.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError, WorldError
from harness.load.child import Child
from harness.load.clock import EmulatedClock
from harness.load.heartbeat import Heartbeat
from harness.load.plan import LoadPlan, plan_json, planned_count
from harness.load.tail import LinesTail, LogTail

ENTRY_POINT_GROUP, ENTRY_POINT_NAME = "brownout.load", "locust"
LOG_NAME = "locust.log"
_LOOPBACK = "127.0.0.1"
_READY_WITHIN_S = 30.0
_OVERDUE_S = 3.0
_CPU_WINDOW_S = 5.0
_POLL_S = 0.02


async def start(plan: LoadPlan, folder: Path, *, dashboard_port: int | None = None) -> DrivenLoad:
    """Starts the plan's arrivals and returns when the generator waits for the first of them, or is already late for it.

    Logs go to `folder`. With `dashboard_port` Locust's web UI answers on the loopback interface for as long as the
    load lives. Raises UsageError when the port is taken and WorldError when Locust does not start; then nothing is left.
    """
    clock = EmulatedClock.of(plan.clock)
    if dashboard_port is not None:
        require_free(dashboard_port)
    load = DrivenLoad(plan, clock, folder, _spawn(plan, folder, dashboard_port), dashboard_port)
    try:
        await load.wait_ready(_READY_WITHIN_S)
    except BaseException:
        load.kill()
        raise
    finally:
        _plan_file(folder).unlink(missing_ok=True)  # it holds a token, and run folders are handed round
    return load


class DrivenLoad:
    """Load under way in a Locust process (harness.world.LoadHandle)."""

    def __init__(self, plan: LoadPlan, clock: EmulatedClock, folder: Path, child: Child, dashboard_port: int | None) -> None:
        self._plan, self._clock, self._child = plan, clock, child
        self._beats = _Beats(folder)
        self._records = LogTail(folder)
        self._stopped_at_s: float | None = None
        self._found: list[str] = []
        self.dashboard_url = f"http://{_LOOPBACK}:{dashboard_port}/" if dashboard_port is not None else ""

    @property
    def pid(self) -> int:
        return self._child.pid

    async def wait_ready(self, within_s: float) -> None:
        """Returns once the schedule is being run and the dashboard answers; raises WorldError."""
        deadline_s = time.monotonic() + within_s
        while not (self._beats.ready() and await self._dashboard_answers()):
            code = self._child.exit_code
            if code is not None:
                raise WorldError(f"the load generator did not start ({_ended(code)})", hint=self._child.last_lines())
            if time.monotonic() > deadline_s:
                raise WorldError(f"the load generator was not ready in {within_s:g} s", hint=self._child.last_lines())
            await asyncio.sleep(_POLL_S)

    async def _dashboard_answers(self) -> bool:
        if not self.dashboard_url:
            return True
        try:
            _, writer = await asyncio.open_connection(_LOOPBACK, int(self.dashboard_url.rsplit(":", 1)[1].rstrip("/")))
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def stop(self) -> None:
        """Stops issuing, waits for what is under way, and leaves complete request logs behind. May run twice."""
        if self._stopped_at_s is not None:
            return
        died = self._child.exit_code
        if died is not None:
            self._found.append(self._death(died))
        self._stopped_at_s = time.monotonic()
        patience_s = self._plan.deadline_ms / 1000 + 5.0
        taken = await self._child.stop(((signal.SIGINT, patience_s), (signal.SIGTERM, 2.0)))
        if taken is not None and taken is not signal.SIGINT:
            self._found.append(f"the load generator did not stop when asked and was sent {taken.name}")
        self._check_complete()

    def kill(self) -> None:
        """Ends it at once, whatever is lost; for when starting failed."""
        self._stopped_at_s = time.monotonic()
        self._child.kill()

    def gauges(self) -> Mapping[str, float]:
        """`planned`, `issued`, `lag_p99_ms`, `cpu_share` (of its busiest 5 s), `late` and `faults`, all so far.

        A generator that has fallen silent does not stop the plan: `planned` then grows with the time that passes.
        """
        latest = self._beats.latest()
        planned = sum(beat.planned for beat in latest)
        if self._silent_s() > _OVERDUE_S:
            planned = max(planned, self._planned_by_now())
        return {
            "planned": float(planned),
            "issued": float(sum(beat.issued for beat in latest)),
            "lag_p99_ms": max((beat.lag_p99_ms for beat in latest), default=0.0),
            "cpu_share": self._beats.cpu_share(),
            "late": float(sum(beat.late for beat in latest)),
            "faults": float(sum(beat.faults for beat in latest)),
        }

    def problems(self) -> tuple[str, ...]:
        """Anything that makes its records untrustworthy, each a sentence."""
        return (*self._found, *self._health(), *self._beats.oddities())

    def _health(self) -> Sequence[str]:
        if self._stopped_at_s is not None:
            return ()
        code = self._child.exit_code
        if code is not None:
            return (self._death(code),)
        silent_s = self._silent_s()
        if silent_s > _OVERDUE_S:
            return (f"the load generator has not reported for {silent_s:.1f} s",)
        return ()

    def _silent_s(self) -> float:
        if self._beats.finished():
            return 0.0
        until_s = self._stopped_at_s if self._stopped_at_s is not None else time.monotonic()
        return max((until_s - beat.monotonic_s for beat in self._beats.latest()), default=0.0)

    def _planned_by_now(self) -> int:
        until_s = self._stopped_at_s if self._stopped_at_s is not None else time.monotonic()
        length_s = self._plan.end_s - self._plan.start_s
        share = min(1.0, max(0.0, (self._clock.emulated_at(until_s) - self._plan.start_s) / length_s))
        return round(share * sum(planned_count(self._plan, cohort) for cohort in self._plan.cohorts))

    def _death(self, code: int) -> str:
        lines = self._child.last_lines()
        return f"the load generator ended by itself ({_ended(code)}); the last lines of {LOG_NAME}:\n{lines}"

    def _check_complete(self) -> None:
        records = sum(1 for _ in self._records.read())
        planned = sum(beat.planned for beat in self._beats.latest())
        if self._records.torn or self._records.unreadable:
            self._found.append("the request log has a torn or unreadable line")
        if records != planned:
            self._found.append(f"the request log has {records} lines for {planned} arrivals that fell due")


class _Beats:
    """The heartbeats of all workers of one load, read as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[Path, LinesTail] = {}
        self._by_worker: dict[int, list[Heartbeat]] = {}

    def latest(self) -> Sequence[Heartbeat]:
        """The newest heartbeat of each worker."""
        for path in sorted(self._folder.glob("load-*.jsonl")):
            for raw in self._tails.setdefault(path, LinesTail(path)).read():
                beat = Heartbeat.parse(raw)
                self._by_worker.setdefault(beat.worker, []).append(beat)
        return tuple(beats[-1] for beats in self._by_worker.values())

    def ready(self) -> bool:
        latest = self.latest()
        return bool(latest) and all(beat.state != "starting" for beat in latest)

    def finished(self) -> bool:
        latest = self.latest()
        return bool(latest) and all(beat.state in ("finished", "stopped") for beat in latest)

    def cpu_share(self) -> float:
        """The largest share of one processor that a worker took over any 5 s, or over all its time when shorter."""
        self.latest()
        return max((_busiest(beats) for beats in self._by_worker.values()), default=0.0)

    def oddities(self) -> Sequence[str]:
        found = []
        for beat in self.latest():
            if any(earlier.state == "paused" for earlier in self._by_worker[beat.worker]):
                found.append("the load was stopped from the dashboard for a while")
            if beat.faults:
                found.append(f"{beat.faults} arrivals failed inside the generator, the first: {beat.first_fault}")
        return found


def _busiest(beats: Sequence[Heartbeat]) -> float:
    """Two pointers over the heartbeats: for each the latest one at least a window earlier."""
    running = [beat for beat in beats if beat.state != "starting"]
    shares, earlier = [0.0], 0
    for index, beat in enumerate(running):
        while earlier + 1 < index and beat.monotonic_s - running[earlier + 1].monotonic_s >= _CPU_WINDOW_S:
            earlier += 1
        passed_s = beat.monotonic_s - running[earlier].monotonic_s
        if passed_s >= _CPU_WINDOW_S or (index == len(running) - 1 and earlier == 0 and passed_s > 0):
            shares.append((beat.cpu_s - running[earlier].cpu_s) / passed_s)
    return max(shares)


def find_locustfile() -> Path:
    """The Locust file, found without importing it; raises WorldError."""
    found = entry_points(group=ENTRY_POINT_GROUP, name=ENTRY_POINT_NAME)
    module = next((entry.module for entry in found), "")
    spec = find_spec(module) if module else None
    if spec is None or spec.origin is None:
        raise WorldError(
            f"no load generator is installed (entry point {ENTRY_POINT_NAME!r} of {ENTRY_POINT_GROUP!r})",
            hint="install Brownout with its `load` extra",
        )
    return Path(spec.origin)


def _spawn(plan: LoadPlan, folder: Path, dashboard_port: int | None) -> Child:
    locustfile = find_locustfile()
    folder.mkdir(parents=True, exist_ok=True)
    _plan_file(folder).touch(mode=0o600)
    _plan_file(folder).write_text(json.dumps(plan_json(plan)), encoding="utf-8")
    arguments = ["-m", "locust", "-f", str(locustfile), "--users", "1", "--spawn-rate", "1", "--only-summary"]
    if dashboard_port is None:
        arguments += ["--headless"]
    else:
        arguments += ["--autostart", "--web-host", _LOOPBACK, "--web-port", str(dashboard_port)]
    environment = {
        "BROWNOUT_LOAD_PLAN": str(_plan_file(folder).resolve()),
        "BROWNOUT_LOAD_FOLDER": str(folder.resolve()),
        "BROWNOUT_LOAD_WORKER": "0",
        "BROWNOUT_LOAD_WORKERS": "1",
    }
    return Child(arguments, environment=environment, folder=folder, log=folder / LOG_NAME)


def _plan_file(folder: Path) -> Path:
    return folder / "load-plan.json"


def require_free(port: int) -> None:
    """Raises UsageError when the dashboard could not have this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as failed:
            problem = f"the dashboard's port {port} cannot be used: {os.strerror(failed.errno or 0)}"
            raise UsageError(problem, hint="choose another port") from None


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
