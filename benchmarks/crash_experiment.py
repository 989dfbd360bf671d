"""The run that the crash matrix strikes in live worlds."""

from __future__ import annotations

from typing import Any

from benchmarks.crash_faults import FAULTS

TIMES = {"baseline": "00:01:00", "fault": "00:01:02", "recovery": "00:01:08", "end": "00:01:10"}


def experiment_of(kind: str, *, warm_up: str = TIMES["baseline"]) -> dict[str, Any]:
    """A file's data: ten seconds with one fault, in force for six of them. A stack may get ready from `warm_up` on."""
    step = {
        "name": "cut",
        "at": TIMES["fault"],
        "until": TIMES["recovery"],
        "role": "fault",
        "fault": kind,
        "with": dict(FAULTS[kind]),
    }
    cohort = {"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 20, "machines": ["web"]}
    slo = {"name": "tokens", "indicator": {"ratioMetric": {"total": {}}}, "objectives": [{"target": 0.9}]}
    return {
        "schema": "brownout/experiment/v1",
        "name": "crash",
        "title": "A run that is struck",
        "timeline": {"date": "2024-07-12", "warm_up": warm_up, **TIMES, "edge": "1s"},
        "stack": {"vendors": ["aws", "azure"]},
        "posture": "plain",
        "postures": {"plain": {"description": "as it is", "expect": "breach"}},
        "schedule": [step],
        "load": {"cohorts": [cohort]},
        "slos": [slo],
        "gates": {"steady_state": False},
    }
