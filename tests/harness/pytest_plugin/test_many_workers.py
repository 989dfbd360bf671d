"""Many workers of pytest-xdist on one machine, with real processes: each its own stack and ports, and equal runs once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest

from brownout.harness.operate.stacks import stacks
from support.brownout_command import small
from support.plugin_project import Project, counted

pytestmark = [pytest.mark.slow, pytest.mark.alone]
WORKERS = 3
PORT = re.compile(r"127\.0\.0\.1:(\d+)|localhost:(\d+)")
TESTS = """
import json
import os
import time
from pathlib import Path

import pytest

HERE, WORKERS = Path(__file__).parent, 3
EITHER = ("breach", "inconclusive")  # on a machine that is busy with something else the load's generator may lag
each = pytest.mark.parametrize("n", [pytest.param(n, marks=pytest.mark.xdist_group(f"w{n}")) for n in range(WORKERS)])


def note(kind, **told):
    path = HERE / f"{kind}-{os.environ['PYTEST_XDIST_WORKER']}.json"
    path.write_text(json.dumps(told))


def all_are_here(kind, within_s=90):
    until_s = time.monotonic() + within_s
    while len(list(HERE.glob(f"{kind}-*.json"))) < WORKERS:
        assert time.monotonic() < until_s, f"not all workers came to {kind}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def brownout_stack_options():
    return {"vendors": ("azure",)}


@each
def test_each_worker_breaks_its_own_stack(brownout_stack, n):
    note("stack", file=brownout_stack.stack_file.read_text())
    all_are_here("stack")
    with brownout_stack.fault("node-pause", target=f"sydney.token.z{n + 1}"):
        note("held", n=n)
        all_are_here("held")


@each
def test_each_worker_makes_its_own_run(brownout, n):
    run = brownout.run("small.yaml", world="processes", seed=n + 1).expect(*EITHER)
    (cut,) = json.loads((run.folder / "result.json").read_text())["steps"]
    note("run", folder=str(run.folder), seed=n + 1, state=cut["state"])


@each
def test_equal_runs_are_made_once(brownout, n):
    run = brownout.run("small.yaml", world="processes", seed=9).expect(*EITHER)
    note("equal", folder=str(run.folder))
"""


def noted(project: Project, kind: str) -> list[Mapping[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(project.folder.glob(f"{kind}-*.json"))]


def test_workers_do_not_meet(live_project: Project) -> None:
    """Three workers hold a fault each at one time, on stacks without a port in common; their runs end as they should."""
    live_project.write(TESTS)
    small(live_project.folder)
    ended = live_project.run("-n", str(WORKERS), "--dist", "loadgroup", timeout_s=600)
    assert counted(ended) == {"passed": 3 * WORKERS}, ended.stdout.str()
    ports = [{one or two for one, two in PORT.findall(told["file"])} for told in noted(live_project, "stack")]
    assert len(ports) == WORKERS
    assert all(len(each) > 10 for each in ports)
    assert [one & other for one, other in combinations(ports, 2)] == [set()] * WORKERS
    assert sorted(told["n"] for told in noted(live_project, "held")) == list(range(WORKERS))
    runs = noted(live_project, "run")
    assert {told["state"] for told in runs} == {"healed"}
    assert len({told["folder"] for told in runs}) == len({told["seed"] for told in runs})
    assert len({told["folder"] for told in noted(live_project, "equal")}) == 1
    assert stacks() == ()
