"""What may be broken at once: refused before anything starts, with the moment and the steps that are too much."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.checks import check
from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import BlastRadius, Experiment
from brownout.harness.experiment.parts.blast_radius import InForce, excess
from brownout.harness.operate.fault_args import spoken_radius
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.world import Carrier
from brownout.harness.worlds.stack_spec import build_stack
from support.small_day import small_day

SPEC = build_stack(seed=1)


def slow(number: int, at: str = "01:00", until: str = "02:00", role: str = "fault") -> dict[str, Any]:
    link = "client->sydney.host"
    step = {"name": f"slow-{number}", "at": at, "until": until, "role": role, "fault": "link-slow"}
    return {**step, "with": {"link": link, "latency": f"{number + 10}ms"}}


def killed(region: str, at: str, until: str) -> dict[str, Any]:
    step = {"name": f"kill-{region}", "at": at, "until": until, "role": "fault", "fault": "region-kill"}
    return {**step, "with": {"region": region}}


def problems(schedule: list[dict[str, Any]], **radius: Any) -> list[str]:
    experiment = small_day(schedule=schedule, blast_radius=radius)
    return [f"{problem} -> {problem.hint}" for problem in check(experiment, plugins.faults())[0]]


def test_ten_faults_at_once_are_allowed_and_eleven_are_not() -> None:
    """The problem names the moment, the steps and the key that allows it."""
    assert problems([slow(number) for number in range(10)]) == []
    found = problems([*(slow(number) for number in range(10)), slow(10, at="01:30")])
    assert len(found) == 1
    assert found[0].startswith("schedule[10].at: at 01:30:00 11 faults are in place at once (slow-0, slow-1, ")
    assert found[0].endswith("at most 10 may be -> `blast_radius: {faults: 11}` allows it")
    assert problems([slow(number) for number in range(11)], faults=11) == []


def test_what_follows_each_other_is_not_at_once() -> None:
    """A fault that ends at the moment when the next one begins makes room for it."""
    steps = [slow(0, "01:00", "01:10"), slow(1, "01:10", "01:20"), slow(2, "01:20", "01:30")]
    assert problems(steps, faults=1) == []
    assert len(problems([slow(0, "01:00", "01:11"), slow(1, "01:10", "01:20")], faults=1)) == 1


def test_operators_steps_are_no_faults() -> None:
    """They count for the nodes that they take away, and not as faults."""
    assert problems([slow(0), slow(1, role="operation"), slow(2, role="mitigation")], faults=1) == []


def test_two_thirds_of_the_nodes_may_be_down_at_once() -> None:
    """One region of two, that of the control plane too; not both, unless the file says so."""
    for region in ("sydney", "melbourne"):
        assert problems([killed(region, "01:00", "02:00")]) == []
    both = [killed("sydney", "01:00", "02:00"), killed("melbourne", "01:30", "01:40")]
    (found,) = problems(both)
    assert "at 01:30:00 16 of 17 nodes are down at once (kill-sydney, kill-melbourne), at most 66 % may be" in found
    assert "`blast_radius: {nodes_down: 0.95}` allows it" in found
    assert problems(both, nodes_down=1) == []


def test_a_node_that_two_faults_hold_is_down_once() -> None:
    """The share is of nodes, not of holds."""
    held = tuple(Carrier("node", node) for node in SPEC.nodes()[:10])
    assert excess(BlastRadius(), SPEC, [InForce("a", held), InForce("b", held)]) == ("", "")


def test_a_run_and_its_dry_run_are_refused_alike() -> None:
    """An experiment made in code is refused when it is prepared, as its file is when it is read."""
    experiment = small_day(schedule=[slow(number) for number in range(3)], blast_radius={"faults": 2})
    with pytest.raises(UsageError, match=r"schedule\[2\].at: at 01:00:00 3 faults are in place at once"):
        prepare(experiment, Options())


@pytest.mark.parametrize("name", ["ftvr-l9z", "aws-us-east-1-2025-10-20", "azure-ad-2021-03-15", "link-cut"])
def test_what_ships_stays_within_it(name: str) -> None:
    """Without a key of its own."""
    experiment = load(find(name))
    assert isinstance(experiment, Experiment)
    assert experiment.blast_radius == BlastRadius()


def test_a_command_says_what_may_be_broken_at_once() -> None:
    """As `name=value`, with the defaults for the rest."""
    assert spoken_radius([]) == BlastRadius()
    assert spoken_radius(["faults=12", "nodes_down=1"]) == BlastRadius(faults=12, nodes_down=1)


@pytest.mark.parametrize("wrong", ["faults", "faults=none", "faults=0", "nodes_down=2", "links=3"])
def test_what_no_radius_can_be_is_refused(wrong: str) -> None:
    """With how it is written."""
    with pytest.raises(UsageError):
        spoken_radius([wrong])
