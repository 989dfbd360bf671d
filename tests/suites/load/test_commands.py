"""Commands as clients: their exit codes, bounded in time and in how many run at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import gevent
import pytest

from brownout.harness.base.processes import await_true
from brownout.harness.base.users.marked import MARK, marked
from brownout.harness.load.arrivals import Cohort, LoadPlan, SubjectPlace
from brownout.harness.load.models.asks import CommandAsk
from brownout.identity.core.messages import CallFailed
from brownout.suites.load.commands import Commands

PATIENCE_S = 30.0


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def commands(folder: Path, program: str, at_once: int = 8, traceparent: str = "") -> Commands:
    """A cohort `jobs` that runs the program."""
    ask = CommandAsk(run=(sys.executable, "-c", program), at_once=at_once)
    cohort = Cohort(name="jobs", model="command", region="sydney", rate_per_s=1, command=ask)
    environment = {**os.environ, MARK: str(folder), "SUBJECT_URL": "http://x"}
    place = SubjectPlace(folder=str(folder), environment=environment, traceparent=traceparent)
    return Commands(LoadPlan(seed=1, start_s=0, end_s=1, cohorts=(cohort,), subject=place))


@pytest.mark.parametrize(("code", "status"), [(0, 200), (3, 500)])
def test_the_exit_code_is_the_answer(tmp_path: Path, code: int, status: int) -> None:
    """It runs in the subject's folder and environment."""
    program = f"import os, sys; open('seen', 'w').write(os.environ['SUBJECT_URL']); sys.exit({code})"
    answer = commands(tmp_path, program).run("jobs", PATIENCE_S)
    assert (answer.status, answer.body) == (status, {"exit_code": code})
    assert (tmp_path / "seen").read_text() == "http://x"


@pytest.mark.parametrize("traceparent", ["", TRACE])
def test_a_command_is_told_the_trace_of_its_run(tmp_path: Path, traceparent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tools of OpenTelemetry for command lines look for it; without a trace the variable is not there."""
    monkeypatch.delenv("TRACEPARENT", raising=False)
    program = "import os; open('seen', 'w').write(os.environ.get('TRACEPARENT', 'none'))"
    commands(tmp_path, program, traceparent=traceparent).run("jobs", PATIENCE_S)
    assert (tmp_path / "seen").read_text() == (traceparent or "none")


def test_one_that_is_over_its_time_is_killed_with_what_it_started(tmp_path: Path) -> None:
    """That is a time-out, as for any client."""
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(CallFailed) as failed:
        commands(tmp_path, program).run("jobs", 1.0)
    assert failed.value.failure == "timeout"
    assert await_true(lambda: not marked(tmp_path), PATIENCE_S)


def test_later_ones_wait_in_line_within_their_time(tmp_path: Path) -> None:
    """With one at a time, a second that would wait for longer than it may is a time-out and never starts."""
    running = commands(tmp_path, "import os, time; open(str(os.getpid()), 'w'); time.sleep(600)", at_once=1)
    ended: list[str] = []

    def times_out(within_s: float) -> None:
        with pytest.raises(CallFailed) as failed:
            running.run("jobs", within_s)
        ended.append(failed.value.failure)

    gevent.joinall([gevent.spawn(times_out, 3.0), gevent.spawn(times_out, 0.5)], raise_error=True)
    assert ended == ["timeout", "timeout"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_program_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Nothing was done."""
    cohort = Cohort(name="jobs", model="command", region="sydney", rate_per_s=1, command=CommandAsk(run="./gone"))
    place = SubjectPlace(folder=str(tmp_path), environment={})
    with pytest.raises(CallFailed) as failed:
        Commands(LoadPlan(seed=1, start_s=0, end_s=1, cohorts=(cohort,), subject=place)).run("jobs", PATIENCE_S)
    assert failed.value.failure == "refused"
