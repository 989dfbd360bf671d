"""Figures beside a verdict that used to say something else than it: each experiment as small as it gets.

They are run as a user runs them, from a file, in the simulation with the installed faults.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brownout.harness import api
from brownout.harness.experiment.loader import load
from brownout.harness.record.result import Result
from brownout.harness.run.options import Options
from brownout.reports.buckets import timeline
from brownout.reports.html.page import history_of

CUT = {"role": "fault", "fault": "link-refuse", "with": {"link": "client->sydney.host"}}
DAY: dict[str, Any] = {
    "schema": "brownout/experiment/v1",
    "name": "small",
    "title": "A small one",
    "timeline": {
        "date": "2025-01-15",
        "warm_up": "09:00",
        "baseline": "09:00:30",
        "fault": "09:06",
        "recovery": "09:11",
        "end": "09:16",
        "edge": "10s",
    },
    "posture": "plain",
    "postures": {"plain": {"description": "as it comes", "expect": "pass"}},
    "load": {
        "cohorts": [
            {"name": "new", "model": "token", "region": "sydney", "rate_per_s": 1, "machines": ["scaleout"], "fresh": True}
        ]
    },
    "slos": [
        {
            "name": "tokens",
            "indicator": {"ratioMetric": {"total": {"cohorts": ["new"]}, "good": {"within": "1s"}}},
            "objectives": [{"target": 0.99}],
        }
    ],
    "alerts": {"a": {"of": {"cohorts": ["new"]}, "target": 0.99, "burn": 10, "long": "60s", "short": "20s"}},
}


def run(folder: Path, *schedule: dict[str, Any], **changes: Any) -> tuple[Result, Path]:
    """The result of the experiment with these steps, and its run folder."""
    file = folder / "small.yaml"
    file.write_text(json.dumps({**DAY, "schedule": list(schedule), **changes}), encoding="utf-8")
    outcome = api.run(load(file), Options(out=folder / "runs"))
    assert outcome.folder is not None
    return outcome.result, outcome.folder


def test_a_latency_objective_has_its_own_measure_in_every_figure(tmp_path: Path) -> None:
    """Answers that take 1.5 s where one is allowed: all happened, and no figure says that all was well."""
    slow = {"fault": "link-slow", "with": {"link": "client->sydney.host", "latency": "1500ms"}}
    result, folder = run(tmp_path, {**CUT, **slow, "name": "f", "at": "09:06", "until": "09:11"})
    assert result.verdict == "breach"
    assert result.times.longest_outage is not None
    assert 299 < result.times.longest_outage < 305
    assert (result.steps[0].before, result.steps[0].after) == (0, 1)
    assert result.steps[0].effect.startswith("rose")
    assert result.alerts["a"] is not None
    assert result.times.detect is not None
    fault = next(phase for phase in result.phases if phase.name == "fault").shares[0]
    assert (fault.good, fault.happened) == (0, fault.total)
    lines = timeline(result, history_of(folder).requests)
    assert lines is not None
    shares = {bucket.good for bucket in lines.cohorts[0].buckets if bucket.total}
    assert {0.0, 1.0} <= shares


def test_a_fault_before_its_phase_is_detected_after_its_first_effect(tmp_path: Path) -> None:
    """A time to detect is counted from the first effect, wherever the timeline says that the fault begins."""
    steps = [
        {**CUT, "name": "pre", "at": "09:05:30", "until": "09:06:00"},
        {**CUT, "name": "real", "at": "09:10", "until": "09:10:30"},
    ]
    result, _ = run(tmp_path, *steps, gates={"steady_state": False})
    assert result.times.detect is not None
    assert 0 < result.times.detect < 30
    assert result.times.impact_start_s == min(
        request.intended_s for request in history_of(_run_folder(tmp_path)).requests if request.outcome != "happened"
    )


def _run_folder(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "runs").iterdir()
    return found


def test_a_run_that_fails_at_its_end_has_not_recovered(tmp_path: Path) -> None:
    """A quiet minute after the first fault is no recovery, because the second one lasts to the end."""
    steps = [{**CUT, "name": "one", "at": "09:06", "until": "09:07"}, {**CUT, "name": "two", "at": "09:12:30"}]
    result, _ = run(tmp_path, *steps)
    assert (result.times.recover, result.times.mitigate) == (None, None)
    assert result.times.notes["recover"] == "not recovered by the end of the record"
    assert result.times.notes["longest_outage"] == "not over by the end of the record"


def test_a_short_outage_in_a_long_run_is_named_beside_its_pass(tmp_path: Path) -> None:
    """Five minutes in an hour at 90 %: the objective is met, and the verdict says what the fault did."""
    line = {**DAY["timeline"], "end": "10:10"}
    easy = [{**DAY["slos"][0], "objectives": [{"target": 0.9}]}]
    result, _ = run(tmp_path, {**CUT, "name": "f", "at": "09:06", "until": "09:11"}, timeline=line, slos=easy)
    assert result.verdict == "pass"
    (window,) = result.slos[0].in_faults
    assert window.bad == window.total > 280
    assert any("within f (09:06:00 to 09:11:00) 0 % of" in reason for reason in result.reasons)
