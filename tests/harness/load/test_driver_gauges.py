"""What a driven load says of itself, from the files that its generator left: no process is started."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.driver import DrivenLoad
from brownout.harness.load.heartbeat import Heartbeat
from brownout.identity.server.clock import Clock


class Ended:
    """A generator's process that does not matter here."""

    exit_code = None

    async def stop(self, signals: object) -> None:
        """It takes no signal."""


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


def test_the_processor_share_is_that_of_the_busiest_worker(tmp_path: Path) -> None:
    """Two heartbeats six seconds apart, three seconds of processor between them: half of one."""
    load = load_after(tmp_path, 15.0)
    (first,) = load._beats.latest()
    later = replace(first, monotonic_s=first.monotonic_s + 6.0, cpu_s=first.cpu_s + 3.0)
    with (tmp_path / "load-0.jsonl").open("a", encoding="utf-8") as file:
        file.write(later.to_line())
    assert load.gauges()["cpu_share"] == 0.5


def test_a_log_that_lacks_arrivals_is_a_problem(tmp_path: Path) -> None:
    """When the load has stopped, its log is counted: here none of the 1,500 arrivals that fell due left a line."""
    load = load_after(tmp_path, 15.0)
    asyncio.run(load.stop())
    assert "the request log has 0 lines for 1500 arrivals that fell due" in load.problems()
