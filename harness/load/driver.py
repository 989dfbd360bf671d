"""Starts, watches and stops the Locust process that issues a plan's arrivals.

Locust patches everything with gevent when it is imported, so it lives in a process of its own and is never imported
here: its file is found through the entry point `locust` of the group `brownout.load`, without loading it. Verdicts
come from the request log that this process writes, never from Locust's rounded statistics.
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from brownout.harness.base import hints, ports
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.load.arrivals import LoadPlan, plan_json, planned_count
from brownout.harness.load.child import Child
from brownout.harness.load.dashboard_view import FILE_NAME as BOARD_NAME
from brownout.harness.load.fault_spans import FILE_NAME as BANDS_NAME
from brownout.harness.load.heartbeats import Beats
from brownout.harness.load.log_tail import LogTail
from brownout.identity.server.clock import Clock

ENTRY_POINT_GROUP, ENTRY_POINT_NAME = "brownout.load", "locust"
OWN_MODULE = "brownout.suites.load.locustfile"
# What each needs, with the extra that installs it: the load itself, and the real clients beside it.
LOAD_MODULES: Mapping[str, str] = {"locust": "load"}
CANARY_MODULES: Mapping[str, str] = {"aiohttp": "azure", "azure.identity": "azure", "boto3": "aws"}
LOG_NAME = "locust.log"
PROBLEMS_NAME = "load-problems.json"
_LEFT = ("requests*.jsonl", "load-*.jsonl", "locust*.log", PROBLEMS_NAME, BANDS_NAME, BOARD_NAME)
_LOOPBACK = "127.0.0.1"
_READY_WITHIN_S = 30.0
_OVERDUE_S = 3.0
_POLL_S = 0.02


async def start(
    plan: LoadPlan,
    folder: Path,
    *,
    dashboard_port: int | None = None,
    workers: int = 1,
    master_port: int | None = None,
) -> DrivenLoad:
    """Starts the plan's arrivals and returns when the generator waits for the first of them, or is already late for it.

    Logs go to `folder`. With `dashboard_port` Locust's web UI answers on the loopback interface for as long as the
    load lives. More than one of `workers` are processes of their own beside a master, and with `master_port` others may
    join there. Raises UsageError when a port is taken and WorldError when Locust does not start; then nothing is left.
    """
    clock = Clock.from_record(plan.clock)
    for port in (dashboard_port, master_port):
        if port is not None:
            require_free(port)
    if workers > 1 and master_port is None:
        master_port = ports.ephemeral_port()
    load = DrivenLoad(plan, clock, folder, _spawn(plan, folder, dashboard_port, workers, master_port), dashboard_port)
    try:
        await load.wait_ready(_READY_WITHIN_S)
    except BaseException:
        load.kill()
        raise
    return load


class DrivenLoad:
    """Load under way in a Locust process, or in a master and its workers (brownout.harness.world.LoadHandle)."""

    def __init__(
        self, plan: LoadPlan, clock: Clock, folder: Path, children: Sequence[Child], dashboard_port: int | None
    ) -> None:
        self._plan, self._clock, self._folder = plan, clock, folder
        self._child, *self._workers = children
        self._beats = Beats(folder)
        self._records = LogTail(folder)
        self._stopped_at_s: float | None = None
        self._found: list[str] = []
        self.dashboard_url = f"http://{_LOOPBACK}:{dashboard_port}/" if dashboard_port is not None else ""

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process with the dashboard; None while it runs."""
        return self._child.exit_code

    async def wait_ready(self, within_s: float) -> None:
        """Returns once the generator runs the schedule and the dashboard answers; raises WorldError after `within_s`."""
        deadline_s = time.monotonic() + within_s
        while not (self._beats.ready(max(1, len(self._workers))) and await self._dashboard_answers()):
            for child in (self._child, *self._workers):
                if (code := child.exit_code) is not None:
                    raise WorldError(f"the load generator did not start ({_ended(code)})", hint=child.last_lines())
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
        self._found += self._deaths()
        self._stopped_at_s = time.monotonic()
        patience_s = self._plan.deadline_ms / 1000 + 5.0
        taken = await self._child.stop(((signal.SIGINT, patience_s), (signal.SIGTERM, 2.0)))
        if taken is not None and taken is not signal.SIGINT:
            self._found.append(f"the load generator did not stop when asked and was sent {taken.name}")
        for worker in self._workers:  # the master has asked them to stop, so they are ending by themselves
            await worker.stop(((signal.SIGTERM, patience_s),))
        self._found += shared_problems(self._folder)
        self._check_complete()

    def kill(self) -> None:
        """Kills the load's processes at once, losing unwritten records; for a start that failed."""
        self._stopped_at_s = time.monotonic()
        for child in (self._child, *self._workers):
            child.kill()

    def gauges(self) -> Mapping[str, float]:
        """`planned`, `issued`, `lag_p99_ms`, `cpu_share` (of its busiest 5 s), `late` and `faults`, all so far.

        While the generator is silent, and once the plan is over, `planned` is computed from the plan and the time.
        """
        latest = self._beats.latest()
        planned = sum(beat.planned for beat in latest)
        # A generator that hangs or falls behind must not look as if it had sent all that was due: its own count has only the
        # arrivals that it took up. At the end of the plan the count is exact; before, arrivals are not evenly spread.
        if self._silent_s() > _OVERDUE_S or self._share_by_now() >= 1.0:
            planned = max(planned, self._planned_by_now())
        return {
            "planned": float(planned),
            "issued": float(sum(beat.issued for beat in latest)),
            "lag_p99_ms": max((beat.lag_p99_ms for beat in latest), default=0.0),
            "cpu_share": self._beats.cpu_share(),
            "late": float(sum(beat.late for beat in latest)),
            "faults": float(sum(beat.faults for beat in latest)),
        }

    def finished(self) -> bool:
        """True once every worker has come to the end of the plan."""
        return self._beats.finished()

    def problems(self) -> tuple[str, ...]:
        """Anything that makes its records untrustworthy, each a sentence."""
        return (*self._found, *self._health(), *self._beats.oddities())

    def _health(self) -> Sequence[str]:
        if self._stopped_at_s is not None:
            return ()
        deaths = self._deaths()
        if deaths:
            return deaths
        silent_s = self._silent_s()
        silence = [f"the load generator has not reported for {silent_s:.1f} s"] if silent_s > _OVERDUE_S else []
        return (*silence, *shared_problems(self._folder))

    def _silent_s(self) -> float:
        if self._beats.finished():
            return 0.0
        until_s = self._stopped_at_s if self._stopped_at_s is not None else time.monotonic()
        return max((until_s - beat.monotonic_s for beat in self._beats.latest()), default=0.0)

    def _share_by_now(self) -> float:
        """How much of the plan's time has passed."""
        until_s = self._stopped_at_s if self._stopped_at_s is not None else time.monotonic()
        passed_s = self._clock.emulated_at(until_s) - self._plan.start_s
        return min(1.0, max(0.0, passed_s / (self._plan.end_s - self._plan.start_s)))

    def _planned_by_now(self) -> int:
        return round(self._share_by_now() * sum(planned_count(self._plan, cohort) for cohort in self._plan.cohorts))

    def _deaths(self) -> Sequence[str]:
        dead = [(child, child.exit_code) for child in (self._child, *self._workers)]
        return [
            f"the load generator ended by itself ({_ended(code)}); the last lines of {child.log.name}:\n{child.last_lines()}"
            for child, code in dead
            if code is not None
        ]

    def _check_complete(self) -> None:
        if self._plan.block_s is not None:
            return  # its logs do not go back to the beginning
        records = sum(1 for _ in self._records.read())
        planned = round(self.gauges()["planned"])
        if self._records.torn or self._records.unreadable:
            self._found.append("the request log has a torn or unreadable line")
        if records != planned:
            self._found.append(f"the request log has {records} lines for {planned} arrivals that fell due")


def require_packages(*, canaries: bool) -> None:
    """Raises UsageError when packages of the load, or of the real SDKs beside it, are not installed. Imports none of them."""
    wanted = {**LOAD_MODULES, **(CANARY_MODULES if canaries else {})}
    missing = hints.missing(*wanted)
    if missing:
        hint = hints.install(*(wanted[name] for name in missing))
        raise UsageError(f"the load needs {', '.join(missing)}, not installed here", hint=hint)


def find_locustfile() -> Path:
    """The Locust file, found without importing it; raises WorldError.

    It is the module that the entry point names. The load's image has the code without package metadata, so without entry
    points; there it is OWN_MODULE.
    """
    found = entry_points(group=ENTRY_POINT_GROUP, name=ENTRY_POINT_NAME)
    module = next((entry.module for entry in found), OWN_MODULE)
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # a package above it is not there either
        spec = None
    if spec is None or spec.origin is None:
        raise WorldError(
            f"no load generator is installed (entry point {ENTRY_POINT_NAME!r} of {ENTRY_POINT_GROUP!r})",
            hint=hints.install("load"),
        )
    return Path(spec.origin)


def clear(folder: Path) -> None:
    """Removes the files of an earlier load from a folder that is used again."""
    for pattern in _LEFT:
        for path in folder.glob(pattern):
            path.unlink()


def shared_problems(folder: Path) -> tuple[str, ...]:
    """The problems that the master has written into the folder, each a sentence."""
    try:
        return tuple(map(str, json.loads((folder / PROBLEMS_NAME).read_bytes())))
    except (OSError, ValueError):
        return ()


def _spawn(plan: LoadPlan, folder: Path, dashboard_port: int | None, workers: int, master_port: int | None) -> Sequence[Child]:
    locustfile = find_locustfile()
    folder.mkdir(parents=True, exist_ok=True)
    base = ["-m", "locust", "-f", str(locustfile)]
    arguments = [*base, "--users", str(workers), "--spawn-rate", str(workers), "--only-summary"]
    if dashboard_port is None:
        arguments += ["--headless"]
    else:
        arguments += ["--autostart", "--web-host", _LOOPBACK, "--web-port", str(dashboard_port)]
    environment = {"BROWNOUT_LOAD_FOLDER": str(folder.resolve())}
    # Workers get the plan from their master, so only the process that has no master gets it by its environment.
    with_plan = {"BROWNOUT_LOAD_PLAN": "/dev/stdin", **environment}
    if master_port is None:
        with _handed_over(plan) as handed:
            return [Child(arguments, environment=with_plan, folder=folder, log=folder / LOG_NAME, stdin=handed)]
    port = str(master_port)
    arguments += ["--master", "--master-bind-host", _LOOPBACK, "--master-bind-port", port, "--expect-workers", str(workers)]
    joining = [*base, "--worker", "--master-host", _LOOPBACK, "--master-port", port, "--only-summary"]
    with _handed_over(plan) as handed:
        children = [Child(arguments, environment=with_plan, folder=folder, log=folder / LOG_NAME, stdin=handed)]
    for number in range(workers):
        log = folder / f"locust-worker-{number + 1}.log"
        children.append(Child(joining, environment=environment, folder=folder, log=log))
    return children


@contextmanager
def _handed_over(plan: LoadPlan) -> Iterator[IO[bytes]]:
    """The plan in a file without a name, for the standard input of the process that reads it.

    It holds a user's token. Run folders are handed round, and a file with a name would outlive a killed run.
    """
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(plan_json(plan)).encode())
        file.seek(0)  # the process shares this place in the file
        yield file


def require_free(port: int) -> None:
    """Raises UsageError when the port is taken, so that neither the dashboard nor a master could bind it."""
    try:
        ports.require_free(port)
    except ports.NoPortError as taken:
        raise UsageError(str(taken), hint="choose another port") from None


def _ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
