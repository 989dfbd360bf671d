"""kill -9 in mid-fault: the guardian heals, and without it the next command does; nothing is ever left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from brownout.harness.run.live_session import LEASE_TTL_S
from support.brownout_command import Brownout, eventually, probe_all
from support.cut_runs import RUN_FOLDER, outcome, start_and_cut

pytestmark = pytest.mark.slow


def guardian_pid(brownout: Brownout) -> int:
    (pid,) = [pid for pid, command in brownout.processes().items() if "brownout.harness.injection.guardian" in command]
    return pid


def test_after_kill_9_of_the_runner_its_guardian_heals(brownout: Brownout) -> None:
    """The guardian restores the link within the lease, `report` still makes a report, and `down` leaves no process."""
    started = start_and_cut(brownout)
    started.process.kill()
    started.end()
    eventually(lambda: outcome(brownout) == "ok", LEASE_TTL_S + 10, what="the guardian restores the link")
    eventually(lambda: brownout.open_faults() == [], 10, what="the ledger is closed")
    told = brownout.run("report", f"runs/{RUN_FOLDER}", "--json")
    result = json.loads(told.stdout)
    assert (told.returncode, result["verdict"], result["finished"]) == (0, "inconclusive", False)
    assert any("cut off" in reason for reason in result["reasons"])
    assert (brownout.work / "runs" / RUN_FOLDER / "report.html").stat().st_size > 10_000
    assert "is down" in brownout.run("down").stdout
    eventually(lambda: brownout.processes() == {}, 5, what="no process is left")


def test_after_kill_9_of_runner_and_guardian_the_next_command_heals(brownout: Brownout) -> None:
    """After runner and guardian are killed, the link stays cut until the next command, which leaves the stack whole."""
    started = start_and_cut(brownout)
    os.kill(guardian_pid(brownout), signal.SIGKILL)
    started.process.kill()
    started.end()
    assert outcome(brownout) == "refused"
    told = brownout.run("status", "--json")
    assert "healed on stack" in told.stderr
    (stack,) = json.loads(told.stdout)["stacks"]
    assert {node["state"] for node in stack["nodes"]} == {"running"}
    assert stack["faults"] == []
    probes = asyncio.run(probe_all(brownout.world()))
    assert {probe.outcome for probe in probes.values()} == {"ok"}
    assert "nothing to heal" in brownout.run("heal").stdout
    assert "is down" in brownout.run("down").stdout
    assert brownout.processes() == {}
    assert "no stack is up" in brownout.run("status").stdout
