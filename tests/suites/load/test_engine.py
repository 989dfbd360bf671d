"""The engine of one worker, over a transport that is a function, in a process of its own (gevent patches the whole process)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals
from brownout.harness.load.log_tail import LogTail

ENGINE = """
import os, sys, time
from pathlib import Path
import gevent
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.grants import EVERYTHING
from brownout.identity.core.messages import Response
from brownout.suites.load.engine import Engine

folder = Path(sys.argv[1])
plan = LoadPlan.model_validate_json((folder / "plan.json").read_text())
plan = plan.model_copy(update={"clock": {"epoch_s": 1000.0, "monotonic_s": time.monotonic() - float(sys.argv[2]), "rate": 1.0}})
engine = Engine(plan, folder, 0, lambda node, request, timeout_s: Response(200, {}), lambda *ended: None)
engine.grant(EVERYTHING)
gevent.spawn(engine.run)
gevent.sleep(0)  # the engine runs until it lets others have their turn: in the middle of a backlog, or when it has to wait
print(engine._meter.planned)
engine.drain()
"""

REPORTED_AND_KILLED = """
while not engine._meter.recorded:
    gevent.sleep(0.001)
ended = [one for _, each in engine.report().counts for one in each.cohorts.values()]
print(sum(one.happened + one.refused + one.unknown for one in ended), flush=True)
os._exit(0)
"""


def drained(folder: Path, *, passed_s: float, program: str = ENGINE) -> tuple[LoadPlan, int, LogTail]:
    """A plan of 200 arrivals in a second, how many were taken up when the load was ended, and the log that it left."""
    cohort = Cohort(name="callers", model="token", region="sydney", rate_per_s=200, machines=("vm1",))
    plan = LoadPlan(seed=1, start_s=1000.0, end_s=1001.0, cohorts=(cohort,), deadline_ms=60_000)
    (folder / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-c", program, str(folder), str(passed_s)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return plan, int(told.stdout), LogTail(folder)


def test_what_is_due_when_the_load_ends_is_sent(tmp_path: Path) -> None:
    """A load that is stopped in a backlog belongs to its plan: every arrival whose time has come has its line, once."""
    plan, taken, log = drained(tmp_path, passed_s=10.0)
    assert taken < 200
    assert sorted(one.id for one in log.read()) == sorted(one.id for one in arrivals(plan))


def test_what_is_not_due_when_the_load_ends_is_left(tmp_path: Path) -> None:
    """The engine looks ahead, and sends nothing before its time: here nothing at all, unless the machine is slow."""
    _, _, log = drained(tmp_path, passed_s=-0.1)
    assert all(one.sent_s >= one.intended_s - 0.001 for one in log.read())


def test_what_is_counted_is_in_the_log(tmp_path: Path) -> None:
    """A worker reports no request whose line is not written, so that counts are never ahead of the log, even after a kill."""
    program = ENGINE.replace("print(engine._meter.planned)\nengine.drain()\n", REPORTED_AND_KILLED)
    _, counted, log = drained(tmp_path, passed_s=10.0, program=program)
    assert 0 < counted == len(list(log.read()))
