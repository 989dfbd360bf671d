"""Schedules carried out in the simulation, told line by line: what the approved files in tests/harness/run/conducted have.

`PYTHONPATH=tests python -m support.conducted_runs` writes the files anew, from the schedule in each one's first line. What
changes then is what git shows, and each line of it is to be right. The grounds are beside the files, not those that are
searched: to search another ground changes nothing of what is approved.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brownout.harness.base.models import FrozenModel
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.record.history import Event, Recorder
from brownout.harness.run.conductor import Conductor, RunHooks, RunState
from brownout.harness.run.journal import Journal
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun, prepare
from brownout.harness.run.simulated import WARM_UP_ROOM_S
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.suites.search.grounds import ground
from brownout.suites.search.schedule import FaultSchedule, experiment_of
from support.places import ROOT

APPROVED = ROOT / "tests/harness/run/conducted"


class ToldRun(FrozenModel):
    """What is carried out: a schedule, the clock's rate, and how often the progress view is told besides at events.

    From `stolen_at_s` on, counted from the warm-up, no link or node holds anything any more: another program takes it all away.
    """

    schedule: FaultSchedule
    rate: float
    tick_s: float | None
    stolen_at_s: float | None = None


class StolenFrom(SimulationWorld):
    """A simulated stack whose links and nodes hold nothing from a time on."""

    stolen_at_s = math.inf

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        reading = await super().read(carrier)
        is_stolen = carrier.kind != "control" and self.now() >= self.stolen_at_s
        return {**reading, "holds": {}} if is_stolen else reading


@dataclass
class Teller(RunHooks):
    """Has a line for each event of a run, and one for each state that its progress view shows."""

    epoch_s: float

    def __post_init__(self) -> None:
        self.lines: list[str] = []
        self.state, self._shown = RunState(), ""

    def heard(self, event: Event) -> None:
        detail = _short(event.what, event.detail)
        self.lines.append(
            f"{event.at_s - self.epoch_s:.3f} {event.kind} {event.what} {event.subject} {detail}".replace("  ", " ")
        )
        self.tick()

    def tick(self) -> None:
        shown = f"  shown: {self.state.phase} {self.state.active} {self.state.message}"
        if shown != self._shown:
            self.lines.append(shown)
            self._shown = shown


def conducted(told: ToldRun) -> list[str]:
    """The run of a schedule: its events, what was shown meanwhile, and the rows of its ledger in the end."""
    experiment = experiment_of(told.schedule, ground(str(APPROVED / f"{told.schedule.ground}.yaml")).experiment)
    run = prepare(experiment, Options(seed=told.schedule.seed, controls=False))
    with tempfile.TemporaryDirectory() as folder:
        return _lines(run, Path(folder), told)


def _lines(run: PreparedRun, folder: Path, told: ToldRun) -> list[str]:
    timeline = run.experiment.timeline
    epoch_s = timeline.epoch_s() + timeline.warm_up
    teller = Teller(epoch_s)
    teller.tick_s = told.tick_s
    recorder, ledger = Recorder(folder, teller.heard), Ledger(":memory:")
    world = StolenFrom(run.stack, epoch_s=epoch_s - WARM_UP_ROOM_S, recorder=recorder)
    if told.stolen_at_s is not None:
        world.stolen_at_s = epoch_s + told.stolen_at_s
    world.rate = told.rate  # what network time is measured by; the stack's own clock is the virtual one at any rate
    ledger.add_stack("s", folder=folder, world="simulation", run_owned=True)
    journal = Journal(run, recorder, world.now)
    lifecycle = LifeCycle(world, ledger, "s", journal.notice, monotonic=world.now)
    try:
        world.run(Conductor(run, world, lifecycle, journal, teller, teller.state).conduct())
        rows = [
            f"row {row.id} {row.step} {row.state} until {row.deadline_s - epoch_s:.3f} on {', '.join(map(str, row.carriers))}"
            for row in ledger.faults("s")
        ]
    finally:
        world.kernel.close()
        ledger.close()
        recorder.close()
    return [*teller.lines, *rows]


def _short(what: str, detail: Mapping[str, Any]) -> str:
    """A look at a stack's state is long, and so is what was there before a fault: a digest stands for it."""
    if what == "state":
        return _digest(detail)
    return json.dumps({name: _digest(value) if len(json.dumps(value)) > 400 else value for name, value in detail.items()})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def approved(path: Path) -> tuple[ToldRun, list[str]]:
    """What a file has carried out, and the lines that this is to have."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    return ToldRun.model_validate_json(first), lines


def write(path: Path, told: ToldRun) -> None:
    """Puts what a schedule's run tells now into a file."""
    path.write_text("\n".join([told.model_dump_json(by_alias=True), *conducted(told), ""]), encoding="utf-8")


def main() -> int:
    """Writes all files anew."""
    for path in sorted(APPROVED.glob("*.txt")):
        write(path, approved(path)[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
