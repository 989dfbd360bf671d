"""A load by hand on a standing stack: from the command to the summary.

The load ends when its command ends, however that happens, when the stack is taken down, and when everything is halted. A
stack has at most one load at a time. A lock on the load's folder ensures that; the kernel releases it when the command's
process ends.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from brownout.harness.base.files import FileLock, LockHeld
from brownout.harness.base.resources import limits
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, UsageError, WorldError
from brownout.harness.experiment.model import Experiment, Gates
from brownout.harness.experiment.watch import model_watch
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.load import driver
from brownout.harness.load.arrivals import LoadPlan, secret_endpoints
from brownout.harness.load.dashboard_view import View, read_view
from brownout.harness.load.log_tail import PART_BYTES, PARTS
from brownout.harness.load.models.model import SignIn
from brownout.harness.load.models.registry import needs_console_users
from brownout.harness.operate.loads.load_plan import (
    ManualLoad,
    at_rates,
    experiment_load,
    manual_plan,
    needs_sign_in,
    typical_load,
)
from brownout.harness.operate.stacks import resolve_stack
from brownout.harness.record.verdicts import Verdict
from brownout.harness.run.fault_bands import BandsFile, LedgerBands
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.needs import generator_needs
from brownout.identity.core.topology import CLIENT, Link

FOLDER_NAME, LOCK_NAME = "load", "load.lock"
POLL_S = 0.5
TOLD_EVERY_S = 10.0
DOWN_WITHIN_S = 10.0
SPARE_BYTES = 256 << 20

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the command asks for. Rates are per real second; without a port there is no dashboard, without `for_s` no end."""

    experiment: Experiment | None = None
    stack: str = ""
    total_per_s: float | None = None
    scale: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    workers: int = 1
    master_port: int | None = None
    for_s: float | None = None
    dashboard_port: int | None = 8089
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LoadEnd:
    """How a load ended: why (a sentence), its last view, and its problems (a sentence each), such as a worker that was lost."""

    why: str
    view: View | None
    problems: tuple[str, ...]

    def missing(self) -> tuple[str, ...]:
        """Why requests are missing in the figures, a sentence each, such as a worker that was lost."""
        seen = self.view.problems if self.view is not None else ()
        return tuple(dict.fromkeys((*self.problems, *seen)))

    def doubts(self) -> tuple[str, ...]:
        """Why the figures prove nothing, a sentence each: its problems, and a generator that did not keep up."""
        if self.view is None:
            return (*self.problems, "the load left no figures")
        health, gates = self.view.health, Gates()
        found = [*self.missing()]
        if health.issued < gates.issued_share * health.planned:
            found.append(f"{health.issued:,} of {health.planned:,} requests were sent")
        if health.lag_p99_ms > gates.lag_p99_s * 1000:
            found.append(f"1 % of the requests left more than {health.lag_p99_ms:.0f} ms late")
        return tuple(found)

    def verdict(self) -> Verdict:
        """What the load met: `pass` when every objective is met, `breach` when one is breached, by figures that count."""
        states = [objective.state for objective in self.view.objectives] if self.view is not None else []
        if self.doubts() or not states:
            return "inconclusive"
        if "breached" in states:
            return "breach"
        return "pass" if set(states) == {"met"} else "inconclusive"


async def run(options: LoadOptions, stop: asyncio.Event, say: Notify) -> LoadEnd:
    """Puts load on the stack until `stop` is set, the time is over or the stack is down; raises BrownoutError."""
    driver.require_packages(canaries=False)
    with Ledger(ledger_path()) as ledger:
        ledger.require_lifted()
        row = resolve_stack(options.stack, for_="load")
        world = _attach(row)
        with locked(row) as folder:
            _require_room(folder, options.workers)
            plan = await _plan(options, world, say)
            limits.require(generator_needs(plan, world.rate, options.workers))
            load = await driver.start(
                plan,
                folder,
                dashboard_port=options.dashboard_port,
                workers=options.workers,
                master_port=options.master_port,
            )
            session = _LoadSession(options, ledger, row, world, load, folder, say)
            try:
                say(session.beginning(plan))
                why = await session.watch(stop)
            finally:
                await session.end()
            return LoadEnd(why, read_view(folder), load.problems())


def _attach(row: StackRecord) -> LiveWorld:
    world = world_of(row)
    if not world.alive():
        raise StackGone(f"stack {row.id} is dead", hint="`brownout down` clears it away")
    return world


@contextmanager
def locked(row: StackRecord) -> Iterator[Path]:
    """The stack's load folder, emptied and locked; raises UsageError while another load has it."""
    folder = row.folder / FOLDER_NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    with FileLock(folder / LOCK_NAME) as lock:
        try:
            lock.require(patience_s=0)
        except LockHeld as held:
            problem = f"stack {row.id} has a load already (process {held.holder or 'unknown'})"
            raise UsageError(problem, hint="end that one with Ctrl-C first") from None
        driver.clear(folder)
        yield folder


def has_load(row: StackRecord) -> bool:
    """Whether a command of this machine puts load on the stack at this moment."""
    file = row.folder / FOLDER_NAME / LOCK_NAME
    if not file.is_file():
        return False
    with FileLock(file) as lock:
        return not lock.take()


def _require_room(folder: Path, workers: int) -> None:
    """Raises UsageError when the disk has too little room for the logs, whose size is bounded."""
    needed = workers * (PARTS + 1) * PART_BYTES + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        problem = f"{folder} has room for {free >> 20} MB and the load's logs may need {needed >> 20} MB"
        raise UsageError(problem, hint="make room, or have fewer --workers")


async def _plan(options: LoadOptions, world: LiveWorld, say: Notify) -> LoadPlan:
    load = typical_load(world.spec) if options.experiment is None else experiment_load(options.experiment, world.spec)
    for note in load.notes:
        say(note)
    cohorts = at_rates(
        load.cohorts,
        clock_rate=world.rate,
        total_per_s=options.total_per_s,
        scale=options.scale,
        given=options.rates,
    )
    console = [cohort.name for cohort in cohorts if needs_console_users(cohort.model)]
    kinds = secret_endpoints(cohorts)
    return manual_plan(
        ManualLoad(cohorts, model_watch(cohorts) if options.experiment is None else load.watch, load.deadline_ms),
        world.spec,
        urls={str(Link(CLIENT, node)): url for node, url in world.endpoints().clients.items()},
        clock=world.clock_record(),
        now_s=world.now(),
        sign_in=await sign_in(world, console=console, endpoints=kinds) if kinds or needs_sign_in(cohorts) else SignIn(),
        seed=options.seed,
    )


class _LoadSession:
    """One load under way."""

    def __init__(
        self,
        options: LoadOptions,
        ledger: Ledger,
        row: StackRecord,
        world: LiveWorld,
        load: driver.DrivenLoad,
        folder: Path,
        say: Notify,
    ) -> None:
        self._options, self._ledger, self._row, self._world = options, ledger, row, world
        self._load, self._folder, self._say = load, folder, say
        self._bands = BandsFile(folder, LedgerBands(ledger, row.id, {}))
        self._told: set[str] = set()
        self._began_s = self._next_s = time.monotonic()

    def beginning(self, plan: LoadPlan) -> str:
        per_s = sum(cohort.rate_per_s for cohort in plan.cohorts) * self._world.rate
        text = f"load on stack {self._row.id}: {len(plan.cohorts)} cohorts, {per_s:g} requests per second"
        if self._load.dashboard_url:
            text += f"\ndashboard: {self._load.dashboard_url}  faults: {self._load.dashboard_url}faults"
        return text

    async def watch(self, stop: asyncio.Event) -> str:
        """Returns, as a sentence, why the load is to end; raises WorldError when the generator ended by itself."""
        while not stop.is_set():
            if (halt := self._ledger.halt()) is not None:
                return str(halt)
            if self._options.for_s is not None and time.monotonic() - self._began_s >= self._options.for_s:
                return f"the {self._options.for_s:g} s are over"
            if self._is_down() or not await asyncio.to_thread(self._world.alive):
                self._load.kill()
                return await self._went_down()
            if self._load.exit_code is not None:
                raise WorldError("; ".join(self._load.problems()), hint=f"its log is in {self._folder}")
            self._bands.tick(now_s=self._world.now(), rate=self._world.rate)
            self._tell()
            try:
                await asyncio.wait_for(stop.wait(), timeout=POLL_S)
            except TimeoutError:
                continue
        return "interrupted"

    async def _went_down(self) -> str:
        """The sentence for a stack that was taken down; raises StackGone if it died instead.

        `brownout down` closes the stack in the ledger as its last act, so this waits up to DOWN_WITHIN_S for that.
        """
        until_s = time.monotonic() + DOWN_WITHIN_S
        while not self._is_down():
            if time.monotonic() > until_s:
                raise StackGone(f"stack {self._row.id} died, and its load with it", hint="`brownout down` clears it away")
            await asyncio.sleep(POLL_S / 5)
        return f"stack {self._row.id} was taken down"

    def _is_down(self) -> bool:
        return self._ledger.stack(self._row.id).closed or not self._row.folder.is_dir()

    def _tell(self) -> None:
        """Prints new problems at once, and the cohorts' good shares every ten seconds."""
        for problem in self._load.problems():
            if problem not in self._told:
                self._told.add(problem)
                self._say(problem)
        if time.monotonic() >= self._next_s:
            self._next_s += TOLD_EVERY_S
            seen = read_view(self._folder)
            if seen is not None and seen.times_s:
                self._say(line_of(seen))

    async def end(self) -> None:
        await self._load.stop()
        self._bands.remove()


def line_of(view: View) -> str:
    """The last ten seconds as a line: the clock, the good share of each cohort, the active faults."""
    clock = time.strftime("%H:%M:%S", time.gmtime(view.now_s))
    shares = []
    for line in view.cohorts:
        total, good = sum(line.total[-10:]), sum(line.good[-10:])
        shares.append(f"{line.name} {good / total:.1%}" if total else f"{line.name} –")
    active = [band.name for band in view.bands if band.until_s is None]
    return f"{clock}  good: {', '.join(shares)}  faults: {', '.join(active) or 'none'}"
