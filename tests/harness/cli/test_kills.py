"""kill -9 in mid-fault: the guardian heals, and without it the next command does; nothing is ever left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from brownout.harness.injection.ledger import Ledger
from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.worlds.processes.stack import read_process_stack
from support.brownout_command import Brownout, eventually, probe_all
from support.cut_runs import RUN_FOLDER, outcome, start_and_cut

pytestmark = pytest.mark.slow


def guardian_pid(brownout: Brownout) -> int:
    (pid,) = [pid for pid, command in brownout.processes().items() if "brownout.harness.injection.guardian" in command]
    return pid


def pids(brownout: Brownout, victims: tuple[str, ...]) -> list[int]:
    """Those of the run under way, in that order."""
    (stack,) = brownout.stacks()
    running = read_process_stack(stack.folder)
    found = {"guardian": guardian_pid(brownout), "parent": running.daemon.pid, "toxiproxy": running.sidecars[0].pid}
    children = Path(f"/proc/{running.daemon.pid}/task/{running.daemon.pid}/children").read_text(encoding="ascii").split()
    found["node"] = next(pid for pid in map(int, children) if pid != running.sidecars[0].pid)
    return [found[victim] for victim in victims]


@pytest.mark.parametrize("others", [("toxiproxy",), ("node",), ("parent",)], ids=" and ".join)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "unguarded"])
def test_what_died_with_its_runner_is_no_failure_of_the_next_command(
    brownout: Brownout, others: tuple[str, ...], guarded: bool
) -> None:
    """A part of the stack dies with its run, with its guardian or without: the next command ends with 0, nothing is left."""
    started = start_and_cut(brownout)
    (stack,) = brownout.stacks()
    for pid in pids(brownout, others if guarded else ("guardian", *others)):
        os.kill(pid, signal.SIGKILL)
    started.process.kill()
    started.end()
    told = brownout.run("status", "--json")
    assert told.returncode == 0, told.stderr
    stacks = json.loads(told.stdout)["stacks"]
    assert [one["stack"] for one in stacks] == ([stack.id] if others == ("node",) else [])
    assert all(one["faults"] == [] for one in stacks)
    with Ledger(brownout.home / "ledger.sqlite") as ledger:
        states = [state for row in ledger.faults(stack.id) for state, _, _ in ledger.transitions(row.id)]
    assert states[-1] == "healed"
    assert "stuck" not in states
    again = brownout.run("status")
    assert (again.returncode, again.stderr) == (0, "")
    brownout.run("down", "--all")
    eventually(lambda: brownout.processes() == {}, 15, what="no process is left")


@pytest.mark.parametrize("others", [("guardian", "toxiproxy"), ("guardian", "parent")], ids=" and ".join)
def test_a_run_that_lost_its_guardian_and_its_stack_ends_and_leaves_nothing(
    brownout: Brownout, others: tuple[str, ...]
) -> None:
    """It is a harness error and not left unsafe; the next command has nothing to do."""
    started = start_and_cut(brownout)
    for pid in pids(brownout, others):
        os.kill(pid, signal.SIGKILL)
    assert started.end() == 4
    assert brownout.open_faults() == []
    told = brownout.run("status")
    assert (told.returncode, told.stderr) == (0, "")
    eventually(lambda: brownout.processes() == {}, 15, what="no process is left")


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
