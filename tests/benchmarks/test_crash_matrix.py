"""The crash matrix in the simulation: a seeded sample keeps every promise, and a broken undo is noticed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import crash_matrix
from benchmarks.crash_cases import AT_THE_RUN, AT_THE_UNDO, Case, Stand, carriers_of, cases, sampled
from benchmarks.crash_faults import FAULTS
from benchmarks.crashes import BOUND_S
from brownout.harness.experiment import plugins
from brownout.harness.injection import recovery
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.worlds.catalog import SIMULATION, WORLDS

SAMPLED = ("link-stall", "zone-kill", "capacity", "failover-zone")  # carriers of each kind, one and several


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    logging.disable(logging.CRITICAL)
    made = Stand(tmp_path)
    yield made
    made.close()
    logging.disable(logging.NOTSET)


def test_the_matrix_has_every_fault_of_the_simulation() -> None:
    """A fault that ships and is not in it is refused here."""
    able = {
        kind
        for kind, found in plugins.faults().items()
        if found.__module__.startswith("brownout.faults.") and found.needs <= WORLDS[SIMULATION].abilities
    }
    assert set(FAULTS) == able


@pytest.mark.parametrize("kind", SAMPLED)
def test_nothing_is_left_behind_whoever_dies(stand: Stand, kind: str) -> None:
    """Of each fault some crashes of each victim: no hold and no open row is left, and nothing counts as not reverted."""
    every = list(cases(kind, stand.boundaries(kind), carriers_of(kind)))
    for whom in {case.whom for case in every}:
        for case in sampled([case for case in every if case.whom == whom], 3, seed=5):
            ending = stand.carried_out(case)
            assert ending.problems == [], case
            assert ending.exit_code == 0
            assert 0 <= ending.healed_s < BOUND_S + 60


def test_every_victim_has_cases() -> None:
    """Links have a Toxiproxy, other carriers a node; the rest concerns all."""
    boundaries = {"runner": 2, "guardian": 1, "command": 1}
    of_links = {case.whom for case in cases("link-stall", boundaries, "link")}
    of_nodes = {case.whom for case in cases("capacity", boundaries, "control")}
    assert of_links | of_nodes == {*AT_THE_RUN, *AT_THE_UNDO}
    assert {"Toxiproxy", "node"} & of_links == {"Toxiproxy"}


@pytest.mark.parametrize(
    ("whom", "healer"),
    [("runner", "guardian"), ("runner stopped", "guardian"), ("runner and guardian", "command"), ("guardian", "")],
)
def test_it_tells_who_healed(stand: Stand, whom: str, healer: str) -> None:
    """The guardian while there is one, else the next command; a run without its guardian reverts by itself."""
    at = stand.boundaries("link-stall")["runner"] // 2
    assert stand.carried_out(Case("link-stall", whom, at)).healed_by == healer


def test_an_undo_that_does_nothing_is_noticed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the recovery to close rows without releasing anything, the matrix would say what still holds."""

    async def forgetful(ledger: Any, stack: Any, *_: Any, **__: Any) -> recovery.Healed:
        ledger.close_stack(stack.id)
        return recovery.Healed(stack.id)

    at = stand.boundaries("link-stall")["runner"] // 2
    monkeypatch.setattr(recovery, "heal_stack", forgetful)
    ending = stand.carried_out(Case("link-stall", "runner and guardian", at))
    assert any("still holds" in problem for problem in ending.problems)


def test_an_undo_that_fails_is_noticed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that never succeeds is exit code 5, and a failure to revert."""

    async def failing(*_: Any) -> str:
        return "it does not answer"

    at = stand.boundaries("link-stall")["runner"] // 2
    monkeypatch.setattr(LifeCycle, "_release", failing)
    ending = stand.carried_out(Case("link-stall", "runner and guardian", at))
    assert ending.exit_code == 5
    assert any("counted as a failure to revert" in problem for problem in ending.problems)


def test_figures_of_a_few_crashes_are_told_by_victim() -> None:
    """The rows have every victim, how often, who healed it, and what was broken."""
    figures = crash_matrix.measure(crash_matrix.CrashSettings(kills=60))
    assert (figures.faults, figures.crashes, figures.broken) == (len(FAULTS), 60, 0)
    assert figures.possible >= 10_000
    told = crash_matrix.rows(figures)
    assert told[0].value == "60, 0 with a promise broken"
    assert {row.what for row in told} >= {f"- {one.whom}" for one in figures.struck}


def test_what_lies_behind_ended_links_needs_no_release(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release over a link fails for ever once Toxiproxy has ended, so a dead run's stack is taken away as it is."""

    async def failing(*_: Any) -> str:
        return "the store of sydney did not answer: refused"

    at = stand.boundaries("link-stall")["runner"] // 2
    monkeypatch.setattr(LifeCycle, "_release", failing)
    ending = stand.carried_out(Case("link-stall", "Toxiproxy and runner", at))
    assert (ending.problems, ending.healed_by, ending.exit_code) == ([], "guardian", 0)
