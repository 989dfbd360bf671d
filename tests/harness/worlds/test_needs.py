"""What a stack and its load need, from the topology and the plan."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from brownout.harness.base.resources import limits
from brownout.harness.base.resources.limits import Need
from brownout.harness.errors import WorldError
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.worlds.catalog import COMPOSE, PROCESSES
from brownout.harness.worlds.needs import generator_needs, in_flight, require_for_run, require_for_stack, stack_needs
from brownout.harness.worlds.stack_spec import build_stack
from support.brownout_command import PROGRAM

STACK = build_stack(seed=1)
PLAN = LoadPlan(
    seed=1,
    start_s=0.0,
    end_s=1000.0,
    cohorts=(Cohort(name="all", model="token", region="sydney", rate_per_s=2.0, machines=("web-1",)),),
    deadline_ms=2000,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Need]:
    """What is required of the machine, in order; nothing is refused."""
    found: list[Need] = []
    monkeypatch.setattr(limits, "require", found.append)
    return found


def test_requests_are_open_for_as_long_as_the_deadline_in_real_time() -> None:
    """2 arrivals per emulated second at a clock of 100 are 200 per real second, each open for 2 s."""
    assert in_flight(PLAN, 100.0) == 400
    assert generator_needs(PLAN, 100.0).open_files > 400


def test_a_stack_needs_more_files_the_more_requests_it_carries() -> None:
    """Two sockets for each request on each link that it goes over, besides a listener per link."""
    idle, busy = stack_needs(PROCESSES, STACK, 0), stack_needs(PROCESSES, STACK, 1000)
    assert idle.open_files >= len(STACK.links()) + len(STACK.nodes())
    assert busy.open_files - idle.open_files >= 2 * 1000


def test_containers_have_limits_of_their_own() -> None:
    """Only the command's own files count where nodes and load run in containers."""
    assert stack_needs(COMPOSE, STACK, 10_000) == Need(128)


def test_a_run_needs_what_its_stack_and_its_generator_need_together(asked: list[Need], tmp_path: Path) -> None:
    """Memory adds up; the limit of open files is one for each process."""
    require_for_run(PROCESSES, STACK, PLAN, rate=100.0, folder=tmp_path, state=tmp_path)
    stack, load = stack_needs(PROCESSES, STACK, 400), generator_needs(PLAN, 100.0)
    assert [need.memory_bytes for need in asked] == [stack.memory_bytes + load.memory_bytes]
    assert asked[0].open_files == max(stack.open_files, load.open_files)


def test_a_stack_can_carry_a_load_by_hand(asked: list[Need], tmp_path: Path) -> None:
    """Its limits are those of its `up`, and a load comes later."""
    require_for_stack(PROCESSES, STACK, state=tmp_path)
    assert asked == [stack_needs(PROCESSES, STACK, 100)]


def test_a_run_is_refused_where_its_request_log_has_no_room(asked: list[Need], tmp_path: Path) -> None:
    """The log's size follows from the number of arrivals that the plan has."""
    many = PLAN.model_copy(update={"cohorts": (PLAN.cohorts[0].model_copy(update={"rate_per_s": 1e6}),), "end_s": 1e9})
    with pytest.raises(WorldError, match="the record of the run needs"):
        require_for_run(PROCESSES, STACK, many, rate=1.0, folder=tmp_path, state=tmp_path)


@pytest.mark.slow
def test_a_starved_up_is_refused_by_the_command_and_leaves_nothing(tmp_path: Path) -> None:
    """`ulimit -n 64; brownout up`: exit code 4, the figures and the command in one message, no stack, no stack file."""
    script = f"ulimit -n 64; exec {shlex.quote(str(PROGRAM))} up --stack-file {shlex.quote(str(tmp_path / 'stack.json'))}"
    environment = {**os.environ, "BROWNOUT_HOME": str(tmp_path / "home")}
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 4, ended.stderr
    assert "902 open files in one process, and the limit is 64" in ended.stderr
    assert "`ulimit -n 902`" in ended.stderr
    assert not (tmp_path / "stack.json").exists()
    assert not list((tmp_path / "home").glob("stacks/*"))
