"""kill -9 in mid-fault: the guardian heals, and without it the next command does; nothing is ever left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from brownout.harness.run.live_session import LEASE_TTL_S
from support.brownout_command import FAULT_LINK, Brownout, Started, eventually, probe_all, small

pytestmark = pytest.mark.slow

RUN_FOLDER = "small-processes-plain-1"


def outcome(brownout: Brownout) -> str:
    return asyncio.run(brownout.world().probe(FAULT_LINK, timeout_ms=500)).outcome


def start_and_cut(brownout: Brownout) -> Started:
    """A run whose link is cut and would stay so for a long time."""
    timeline = {"recovery": "00:03:00", "end": "00:03:10"}
    schedule = [{"name": "cut", "at": "00:01:02", "role": "fault", "fault": "link-refuse", "with": {"link": FAULT_LINK}}]
    path = small(brownout.work, timeline=timeline, schedule=schedule, gates={"steady_state": False})
    started = brownout.start("run", str(path), "--out", "runs", "--no-canaries")
    started.wait_for("cut: bitten")
    assert outcome(brownout) == "refused"
    return started


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
