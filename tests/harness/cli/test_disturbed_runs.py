"""Runs that something else disturbs in mid-fault: never a pass or a breach, and what happened is named."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import httpx
import pytest

from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.worlds.processes.stack import read_process_stack
from support.brownout_command import Brownout
from support.cut_runs import RUN_FOLDER, start_and_cut

pytestmark = pytest.mark.slow


def result_of(brownout: Brownout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((brownout.work / "runs" / RUN_FOLDER / "result.json").read_text())
    return found


def gate(result: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in result["gates"] if each["name"] == name]
    return dict(found)


def test_a_fault_that_a_reset_of_toxiproxy_took_away_makes_the_run_inconclusive(brownout: Brownout) -> None:
    """The gate says when the fault was last seen in force and what was found then."""
    started = start_and_cut(brownout, fault="link-stall", recovery="00:01:16", end="00:01:22")
    httpx.post(f"{brownout.world().endpoints().toxiproxy}/reset", trust_env=False).raise_for_status()
    assert started.end() == 3
    result = result_of(brownout)
    assert result["verdict"] == "inconclusive"
    assert not gate(result, "bite")["passed"]
    assert "cut was lost while it should have been in force: last seen in force at 00:01:" in gate(result, "bite")["reason"]
    (step,) = result["steps"]
    assert step["state"] == "lost"


def test_a_run_that_was_paused_longer_than_its_lease_is_a_harness_error(brownout: Brownout) -> None:
    """It ends when it wakes, and names the pause and what its guardian reverted when."""
    started = start_and_cut(brownout)
    os.kill(started.process.pid, signal.SIGSTOP)
    time.sleep(LEASE_TTL_S + 2)  # the pause is what is tested
    os.kill(started.process.pid, signal.SIGCONT)
    assert started.end() == 4
    result = result_of(brownout)
    assert result["verdict"] == "harness-error"
    reason = gate(result, "protection")["reason"]
    assert "this process was paused for " in reason
    assert "longer than its lease of 6 s lasts; cut was reverted at " in reason
    assert brownout.processes() == {}


def test_a_run_whose_toxiproxy_died_is_a_harness_error_soon(brownout: Brownout) -> None:
    """Nothing is left unsafe: the holds ended with what kept them. What died is named."""
    started = start_and_cut(brownout)
    read_process_stack(brownout.world().folder).sidecars[0].kill()
    assert started.end() == 4
    result = result_of(brownout)
    assert result["verdict"] == "harness-error"
    assert gate(result, "finished")["reason"].count("Toxiproxy has ended") == 1
    assert gate(result, "healed")["passed"]
    assert brownout.processes() == {}
