"""What a driven load says of itself, from the files that its generator left: no process is started."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.driver import DrivenLoad
from brownout.harness.load.heartbeat import Heartbeat
from brownout.identity.server.clock import Clock


class Ended:
    """A generator's process that does not matter here."""

    exit_code = None


def load_after(folder: Path, passed_s: float) -> DrivenLoad:
    """A load of 100 arrivals per second for 60 s, so long after its beginning, whose generator took up 1,500 of them."""
    now_s = time.monotonic()
    cohort = Cohort(name="callers", model="token", region="sydney", rate_per_s=100, machines=("vm1",))
    clock = {"epoch_s": 1000.0, "monotonic_s": now_s - passed_s, "rate": 1.0}
    plan = LoadPlan(seed=1, start_s=1000.0, end_s=1060.0, cohorts=(cohort,), clock=clock)
    beat = Heartbeat(0, 1000.0 + passed_s, now_s, "running", 1500, 1500, 1500, 0, 0, 4000.0, 1.0)
    (folder / "load-0.jsonl").write_text(beat.to_line(), encoding="utf-8")
    return DrivenLoad(plan, Clock.from_record(clock), folder, [Ended()], None)  # type: ignore[list-item]


@pytest.mark.parametrize(("passed_s", "planned"), [(15.0, 1500), (61.0, 6000)])
def test_at_the_end_of_the_plan_all_of_it_was_planned(tmp_path: Path, passed_s: float, planned: int) -> None:
    """A generator that fell behind counts what it took up; once the plan is over, the plan's own number is known."""
    gauges = load_after(tmp_path, passed_s).gauges()
    assert (gauges["planned"], gauges["issued"]) == (planned, 1500)
