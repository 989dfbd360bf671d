"""Faults and objectives that miss each other in time are refused, with the place in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.experiment.loader import validate

FILE = """\
schema: brownout/experiment/v1
name: small
title: A small one
timeline: {{date: "2025-01-15", warm_up: "09:00", baseline: "09:01", fault: "09:06", recovery: "09:11", end: "09:16"}}
posture: plain
postures: {{plain: {{description: as it comes, expect: pass}}}}
gates: {{steady_state: {steady}}}
schedule:
  - {{name: f, at: "{at}", until: "{until}", role: {role}, fault: link-refuse, with: {{link: client->sydney.host}}}}
load: {{cohorts: [{{name: new, model: token, region: sydney, rate_per_s: 1, machines: [scaleout], fresh: true}}]}}
slos:
  - name: tokens
    indicator: {{ratioMetric: {{total: {{cohorts: [new]}}}}}}
    objectives: [{{target: 0.99}}]
    phases: {phases}
"""


def problems(folder: Path, *, at="09:06", until="09:11", phases="[onset, fault, heal]", role="fault", steady="true"):
    file = folder / "small.yaml"
    file.write_text(FILE.format(at=at, until=until, phases=phases, role=role, steady=steady), encoding="utf-8")
    return [str(error).removeprefix(f"{file}:") for error in validate(file)]


@pytest.mark.parametrize(
    ("at", "until", "phases"),
    [
        ("09:00:05", "09:00:50", "[onset, fault, heal]"),
        ("09:03", "09:06", "[onset, fault, heal]"),
        ("09:07:30", "09:10", "[onset, recovery]"),
        ("09:12:30", "09:13", "[onset, fault, heal]"),
    ],
)
def test_a_fault_outside_of_every_judged_phase_is_refused(tmp_path: Path, at: str, until: str, phases: str) -> None:
    """Before the load, in the baseline, in a gap, or after the last judged phase."""
    found = problems(tmp_path, at=at, until=until, phases=phases)[0]
    assert found.startswith("9:19: ")
    assert "no objective is judged while this fault is in place" in found


def test_an_objective_before_every_fault_is_refused(tmp_path: Path) -> None:
    """The baseline alone passes whatever the fault does."""
    found = problems(tmp_path, phases="[baseline]")
    assert [line.split(" ")[0] for line in found] == ["9:19:", "15:5:"]
    assert "every fault begins after the phases of this objective (baseline)" in found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"at": "09:05", "until": "09:06:01"},
        {"at": "09:00:05", "until": "09:00:50", "role": "operation"},
        {"at": "09:05", "until": "09:06", "steady": "false"},
        {"phases": "[baseline, fault]"},
    ],
)
def test_what_can_be_judged_is_accepted(tmp_path: Path, changes: dict[str, str]) -> None:
    """A fault that reaches into a judged phase, an operation at any time, a baseline that need not be clean."""
    assert problems(tmp_path, **changes) == []
