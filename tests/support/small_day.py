"""A small experiment as data, valid against the installed faults or not, to be changed key by key."""

from __future__ import annotations

from typing import Any

from brownout.harness.experiment.model import Experiment

DAY: dict[str, Any] = {
    "schema": "brownout/experiment/v1",
    "name": "small",
    "title": "A small one",
    "timeline": {
        "date": "2024-07-12",
        "warm_up": "00:00",
        "baseline": "00:10",
        "fault": "01:00",
        "recovery": "02:00",
        "end": "03:00",
        "edge": "5m",
    },
    "posture": "fragile",
    "postures": {
        "fragile": {"description": "x", "expect": "breach", "settings": {"host_refresh_fraction": 1.0}},
        "repaired": {"description": "y", "expect": "pass"},
    },
    "machines": {
        "web": {"region": "sydney", "count": 40},
        "batch": {"region": "sydney", "identities": ["a", "b"]},
        "south": {"region": "melbourne"},
        "fleet": {"region": "sydney", "scale_set": True},
    },
    "schedule": [
        {"name": "late", "at": "02:00", "role": "mitigation", "fault": "x"},
        {"name": "held", "at": "01:00", "until": "02:00", "role": "fault", "fault": "x"},
    ],
    "load": {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.5, "machines": ["web"]}]},
    "slos": [
        {
            "name": "s",
            "indicator": {"ratioMetric": {"total": {"cohorts": ["warm"]}}},
            "objectives": [{"target": 0.99}],
        }
    ],
}


def small_day(cohort: dict[str, Any] | None = None, **changed: Any) -> Experiment:
    """The experiment with one cohort in place of its own, and with other keys changed."""
    raw = {**DAY, **changed}
    if cohort is not None:
        raw["load"] = {"cohorts": [{"name": "c", "model": "token", "region": "sydney", "rate_per_s": 0.5, **cohort}]}
    return Experiment.model_validate(raw)
