"""What goes wrong on the harness's side never becomes a breach: docs/reading-a-verdict.md has the states and their gates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.judge.evaluate import evaluate
from brownout.harness.judge.run_folder import RunHeader, write_header
from brownout.harness.record.history import Event, Recorder
from brownout.harness.record.result import Result
from support.slo_builders import END, T0, experiment, finished_events, outage, whole_life

PAGE = Path(__file__).parents[3] / "docs" / "reading-a-verdict.md"


def gauges(**wrong: float) -> Event:
    healthy = {"planned": 3000.0, "issued": 3000.0, "lag_p99_ms": 2.0, "cpu_share": 0.2}
    return Event(T0 + END, "load", "gauges", "", {**healthy, **wrong})


def recorded(gate: str, *, severity: str = "inconclusive") -> Event:
    return Event(T0 + END, "gate", gate, "", {"passed": False, "reason": "it was", "severity": severity})


STATES: Mapping[str, tuple[Event, ...]] = {
    "generator-lag": (gauges(lag_p99_ms=900.0),),
    "generator-cpu": (gauges(cpu_share=0.99),),
    "issued-share": (gauges(issued=1200.0),),
    "load-problems": (Event(T0 + END, "load", "problem", "", {"text": "worker 2 left"}),),
    "resources": (recorded("resources"),),
    "clock-rate": (),
    "protection": (recorded("protection", severity="harness-error"),),
    "undisturbed": (recorded("undisturbed"),),
    "stack-whole": (recorded("stack-whole", severity="harness-error"),),
    "foreign": (recorded("foreign"),),
}


def evaluated(folder: Path, events: Iterable[Event], *, clock_rate: float = 60.0, world: str = "processes") -> Result:
    """The result of a run that would be a breach, with these events at its end."""
    fields: dict[str, Any] = {"seed": 7, "versions": {}, "started_at": "2024-07-12T10:00:00+00:00", "command": "brownout run"}
    write_header(folder, RunHeader(experiment=experiment(), world=world, posture="broken", clock_rate=clock_rate, **fields))
    recorder = Recorder(folder)
    *before, end = finished_events(whole_life())
    for event in (*before, *events, end):
        recorder.event(event)
    for request in outage():
        recorder.request(request)
    recorder.close()
    return evaluate(folder)


def test_without_any_of_these_states_the_run_is_a_breach(tmp_path: Path) -> None:
    """So each of the gates below is what makes the difference."""
    assert evaluated(tmp_path, ()).verdict == "breach"


@pytest.mark.parametrize("gate", STATES)
def test_each_state_fails_its_gate_and_is_no_breach(tmp_path: Path, gate: str) -> None:
    """The clock's rate is such that the fault of twenty minutes lasts 1 s on the wire, and a client waits for 2 s."""
    result = evaluated(tmp_path, STATES[gate], clock_rate=1200.0 if gate == "clock-rate" else 60.0)
    assert gate in [found.name for found in result.gates if not found.passed]
    assert result.verdict in ("inconclusive", "harness-error")


def test_the_page_lists_these_states_and_no_others() -> None:
    """A row of the table is a row that is proven here."""
    section = PAGE.read_text().partition("### What is ours is no breach")[2].partition("\n## ")[0]
    assert re.findall(r"\| `([a-z-]+)` \|$", section, re.MULTILINE) == list(STATES)


def test_a_fault_as_long_as_the_deadline_is_long_enough_and_simulations_have_no_such_limit(tmp_path: Path) -> None:
    """At 600 twenty minutes take 2 s; simulated network time passes with the stack's."""
    assert evaluated(tmp_path / "a", (), clock_rate=600.0).verdict == "breach"
    assert evaluated(tmp_path / "b", (), clock_rate=1200.0, world="simulation").verdict == "breach"
