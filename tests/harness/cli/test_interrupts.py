"""Ctrl-C, SIGTERM and a closed terminal: the first heals and reports, the second leaves at once and heals all the same."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest

from support.brownout_command import FAULT_LINK, TIMEOUT_S, Brownout, Started, eventually, small

pytestmark = pytest.mark.slow

RUN_FOLDER = "small-processes-plain-1"


def start_long(brownout: Brownout) -> Started:
    """A run whose link is cut and would stay so for a long time."""
    timeline = {"recovery": "00:03:00", "end": "00:03:10"}
    schedule = [{"name": "cut", "at": "00:01:02", "role": "fault", "fault": "link-refuse", "with": {"link": FAULT_LINK}}]
    path = small(brownout.work, timeline=timeline, schedule=schedule, gates={"steady_state": False})
    return brownout.start("run", str(path), "--out", "runs", "--json")


def assert_healed_and_told(brownout: Brownout, started: Started, *, fault: str) -> None:
    assert started.end() == 130
    assert brownout.processes() == {}
    assert brownout.stacks() == ()
    result = json.loads(started.out.read_text())
    folder = brownout.work / "runs" / RUN_FOLDER
    assert json.loads((folder / "result.json").read_text()) == result
    assert (folder / "report.html").exists()
    assert (result["verdict"], result["finished"]) == ("inconclusive", False)
    assert any("interrupted" in reason for reason in result["reasons"])
    assert [step["state"] for step in result["steps"]] == [fault]
    assert "Traceback" not in started.progress()


def test_ctrl_c_in_mid_fault_heals_reports_and_ends_with_130(brownout: Brownout) -> None:
    """One SIGINT: the fault is reverted, result and report are written, and nothing is left running."""
    started = start_long(brownout)
    started.wait_for("cut: bitten")
    started.interrupt()
    assert_healed_and_told(brownout, started, fault="healed")


def test_a_halt_in_mid_fault_ends_the_run_and_refuses_the_next(brownout: Brownout) -> None:
    """`halt` returns when the fault is reverted and the stack is gone; the run has a record without a verdict."""
    started = start_long(brownout)
    started.wait_for("cut: bitten")
    told = brownout.run("halt", "--reason", "enough")
    assert told.returncode == 0, told.stderr
    assert_healed_and_told(brownout, started, fault="healed")
    result = json.loads(started.out.read_text())
    halted = re.compile(r"the run was interrupted at (onset|fault): halted since .* UTC: enough")
    assert any(halted.search(reason) for reason in result["reasons"]), result["reasons"]
    path = next(brownout.work.glob("*.yaml"))
    refused = brownout.run("run", str(path), "--out", "later")
    assert (refused.returncode, "enough" in refused.stderr) == (4, True)
    assert not (brownout.work / "later").exists()
    assert brownout.run("run", str(path), "--world", "simulation", "--out", "later").returncode in (0, 1, 3)
    assert brownout.run("halt", "--lift").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_while_it_starts_does_so(brownout: Brownout, number: signal.Signals) -> None:
    """SIGTERM and a closed terminal are heard while the stack is coming up, and no fault is ever injected."""
    started = start_long(brownout)
    eventually(
        lambda: any("processes.daemon" in command for command in brownout.processes().values()),
        TIMEOUT_S,
        what="the stack begins",
    )
    started.interrupt(number)
    assert_healed_and_told(brownout, started, fault="not-reached")


def test_a_second_ctrl_c_leaves_at_once_and_a_guardian_cleans_up(brownout: Brownout) -> None:
    """Two SIGINTs: the command is gone at once, and soon after it the fault, the stack and every process."""
    started = start_long(brownout)
    started.wait_for("cut: bitten")
    started.interrupt()
    time.sleep(0.1)  # two signals that are pending at once would be one
    started.interrupt()
    assert started.end(5) == 130
    assert "left at once" in started.progress()
    eventually(lambda: brownout.processes() == {}, 30, what="no process is left")
    assert brownout.stacks() == ()
    told = brownout.run("report", f"runs/{RUN_FOLDER}", "--json")
    assert json.loads(told.stdout)["verdict"] == "inconclusive"
