"""Faults that stand in the way of each other's undo: what broke last is mended first, and what was stuck is tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.api import Options, run
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.history import read_history

BUNDLED = plugins.faults()
ROLLED = {
    "name": "rolled",
    "at": "09:02",
    "until": "09:04",
    "role": "fault",
    "fault": "key-rollover",
    "with": {"region": "sydney"},
}


@pytest.fixture(autouse=True)
def quiet_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs are about the real faults."""
    monkeypatch.setattr(plugins, "faults", lambda: BUNDLED)


def experiment(killed_until: str, how: str = "region-kill") -> Experiment:
    """A key is rolled over for two minutes; in the second one the region is down, until `killed_until`."""
    killed = {"name": "killed", "at": "09:03", "until": killed_until, "role": "fault", "fault": how}
    content: dict[str, Any] = {
        "schema": "brownout/experiment/v1",
        "name": "undo",
        "title": "A fault's node is down when the fault ends",
        "timeline": {
            "date": "2026-03-02",
            "warm_up": "09:00",
            "baseline": "09:01",
            "fault": "09:02",
            "recovery": "09:08",
            "end": "09:15",
        },
        "posture": "plain",
        "postures": {"plain": {"description": "as it is", "expect": "pass"}},
        "machines": {"web": {"region": "sydney", "count": 2}},
        "schedule": [ROLLED, {**killed, "with": {"node" if how == "node-pause" else "region": "sydney"}}],
        "load": {"cohorts": [{"name": "apps", "model": "token", "region": "sydney", "rate_per_s": 0.05, "machines": ["web"]}]},
        "slos": [
            {"name": "tokens", "indicator": {"ratioMetric": {"total": {"cohorts": ["apps"]}}}, "objectives": [{"target": 0.1}]}
        ],
        "gates": {"steady_state": False},
    }
    return Experiment.model_validate(content)


def healed_at(tmp_path: Path, killed_until: str) -> dict[str, tuple[str, int]]:
    """For each step the last that the record says of its undo, and how many seconds after 09:04 that was."""
    return {step: (what, at_s) for step, what, at_s in undone(tmp_path, experiment(killed_until))}


def undone(tmp_path: Path, made: Experiment) -> list[tuple[str, str, int]]:
    """What the record says of each step's undo, in order: the step, how it ended, and how many seconds after 09:04 that was."""
    outcome = run(made, Options(world="simulation", out=tmp_path))
    events = [event for event in read_history(outcome.folder).events if event.kind == "act"]
    at_s = made.timeline.epoch_s() + 9 * 3600 + 240
    return [(event.subject, event.what, round(event.at_s - at_s)) for event in events if event.what in ("stuck", "healed")]


def test_what_broke_last_is_mended_first(tmp_path: Path) -> None:
    """Both end at one moment: the region comes back before the key is put right, so nothing is stuck for a moment."""
    assert healed_at(tmp_path, "09:04") == {"rolled": ("healed", 0), "killed": ("healed", 0)}


def test_what_was_stuck_is_undone_once_it_can_be(tmp_path: Path) -> None:
    """The region comes back a minute later: then the key is put right, and not only at the end of the run."""
    (rolled, rolled_s), killed = healed_at(tmp_path, "09:05")["rolled"], healed_at(tmp_path, "09:05")["killed"]
    assert killed == ("healed", 60)
    assert rolled == "healed"
    assert 60 <= rolled_s < 70


def test_a_pause_keeps_no_undo_waiting(tmp_path: Path) -> None:
    """A region that is paused until 16 s after the key is to be put right: that is tried once, and done when it ends."""
    told = undone(tmp_path, experiment("09:04:16", "node-pause"))
    (step, what, tried_s), *later = told
    assert (step, what) == ("rolled", "stuck")
    assert tried_s <= 3
    assert later == [("killed", "healed", 16), ("rolled", "healed", 16)]
