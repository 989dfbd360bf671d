"""Trouble before and during a run: one clear message, the right exit code, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.brownout_command import Brownout, small

pytestmark = pytest.mark.slow

NO_NETWORK = {
    "UV_OFFLINE": "1",
    "UV_NO_CACHE": "1",
    "UV_FIND_LINKS": "",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "GOPROXY": "off",
    "GOFLAGS": "-mod=mod",
}


@pytest.mark.parametrize("command", ["run", "up"])
def test_a_missing_toxiproxy_is_one_clear_message(brownout: Brownout, tmp_path: Path, command: str) -> None:
    """Neither there nor to be had: exit 4 with what to do about it, no folder and no process."""
    arguments = ["run", str(small(brownout.work))] if command == "run" else ["up"]
    nothing = {"PATH": str(tmp_path), "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), **NO_NETWORK}
    told = brownout.run(*arguments, **nothing)
    assert told.returncode == 4
    problem, advice = told.stderr.strip().splitlines()[-2:]
    assert problem.startswith("brownout: ")
    assert advice.startswith("  -> ")
    assert "Go 1.21+ or a toxiproxy-server 2.x on PATH" in advice
    assert "Traceback" not in told.stderr
    assert told.stdout == ""
    assert not (brownout.work / "runs").exists()
    assert not (brownout.work / "stack.json").exists()
    assert brownout.processes() == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [("import time; time.sleep(600)", "did not open its port"), ("sys.exit('no such option')", "no such option")],
)
def test_a_toxiproxy_that_hangs_or_dies_is_one_clear_message(
    brownout: Brownout, tmp_path: Path, text: str, message: str
) -> None:
    """Exit code 4 within seconds, with the program's last output once, and nothing left running."""
    programs = tmp_path / "broken"
    programs.mkdir()
    program = programs / "toxiproxy-server"
    program.write_text(
        f'#!/bin/sh\n"exec" "{sys.executable}" "$0" "$@"\nimport sys\n'
        f"if '-version' in sys.argv: sys.exit(print('toxiproxy-server version 2.12.0'))\n{text}\n"
    )
    program.chmod(0o755)
    told = brownout.run("run", str(small(brownout.work)), "--json", PATH=f"{programs}:/usr/bin:/bin")
    assert told.returncode == 4
    assert told.stderr.count(message) == 1
    assert "Traceback" not in told.stderr
    result = json.loads(told.stdout)
    assert (result["verdict"], result["exit_code"]) == ("harness-error", 4)
    assert brownout.processes() == {}
    assert brownout.stacks() == ()


def test_a_taken_dashboard_port_is_told_before_anything_starts(brownout: Brownout) -> None:
    """Exit 2, the port named, and neither a folder nor a process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = brownout.run("run", str(small(brownout.work)), "--dashboard", "--dashboard-port", str(port))
    assert told.returncode == 2
    assert f"port {port} cannot be used" in told.stderr
    assert not (brownout.work / "runs").exists()
    assert brownout.processes() == {}


@dataclass(frozen=True)
class Accident:
    """What was seen of a run in which a node's process was killed by a stranger."""

    rows: list[dict[str, Any]]
    page: str
    status: dict[str, Any]
    code: int
    result: dict[str, Any]
    left: dict[int, str]


@pytest.fixture(scope="module")
def accident(shared_brownout: Brownout) -> Accident:
    """A run with the dashboard open; its vault node is killed once requests have been counted."""
    brownout = shared_brownout
    cohorts = [
        {"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 40, "machines": ["web"]},
        {"name": "appetite", "model": "resource", "region": "sydney", "rate_per_s": 10, "machines": ["web"]},
    ]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = small(brownout.work, load={"cohorts": cohorts}, gates={"steady_state": False})
    started = brownout.start("run", str(path), "--json", "--dashboard", "--dashboard-port", str(port), "--no-canaries")
    started.wait_for("cut: bitten")
    base = f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{base}/stats/requests", timeout=5) as answer:
        rows = json.loads(answer.read())["stats"]
    with urllib.request.urlopen(base, timeout=5) as answer:
        page = answer.read().decode()
    status = json.loads(brownout.run("status", "--json").stdout)["stacks"][0]
    pid = next(node["pid"] for node in status["nodes"] if node["node"] == "sydney.vault")
    os.kill(pid, signal.SIGKILL)
    code = started.end()
    result = json.loads(started.out.read_text())
    return Accident(rows, page, status, code, result, brownout.processes())


def test_the_dashboard_is_locusts_own_with_a_row_for_each_cohort(accident: Accident) -> None:
    """During the run Locust's page answers, and its statistics have the cohorts as rows."""
    assert "locust" in accident.page.lower()
    names = " ".join(f"{row['name']} {row['method']}" for row in accident.rows)
    assert "callers" in names
    assert "appetite" in names


def test_another_command_sees_the_run_and_leaves_it_alone(accident: Accident) -> None:
    """`status` beside a run shows its stack and the fault that is in place, and does not heal it."""
    assert [fault["step"] for fault in accident.status["faults"]] == ["cut"]
    assert {node["state"] for node in accident.status["nodes"]} == {"running"}
    assert [step["state"] for step in accident.result["steps"]] == ["healed"]


def test_a_node_that_dies_by_itself_makes_a_harness_error(accident: Accident) -> None:
    """Its loss is not taken for an effect of the faults: exit 4, the node named, and nothing left running."""
    assert (accident.code, accident.result["verdict"]) == (4, "harness-error")
    assert any("sydney.vault ended by itself (signal SIGKILL)" in reason for reason in accident.result["reasons"])
    assert accident.result["finished"]
    assert accident.left == {}
