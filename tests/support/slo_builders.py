"""Tiny histories by hand: times are seconds after `T0`, the baseline's start, unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brownout.harness.experiment.model import Experiment
from brownout.harness.record.history import Event, History, RequestRecord

EPOCH_S = 1_720_742_400.0  # 2024-07-12T00:00:00Z
BASELINE, FAULT, RECOVERY, END = 600, 1200, 2400, 3600
T0 = EPOCH_S
TRAIL = "sydney.host;;;;miss>sydney.token.z1;1.0;manual-1;manual;miss>sydney.store;;manual-1;manual;"


def request(at_s: float, good: bool = True, *, took_s: float = 0.0, **changes: Any) -> RequestRecord:
    """A request intended `at_s` seconds after midnight."""
    intended_s = T0 + at_s
    fields: dict[str, Any] = {
        "id": f"r-{at_s:010.3f}",
        "cohort": "new",
        "operation": "token",
        "region": "sydney",
        "home": "sydney",
        "machine": "scaleout_1",
        "intended_s": intended_s,
        "sent_s": intended_s,
        "done_s": intended_s + took_s,
        "latency_ms": took_s * 1000,
        "status": 200 if good else 500,
        "outcome": "happened" if good else "refused",
        "trail": TRAIL,
    }
    return RequestRecord(**{**fields, **changes})


def requests(start_s: float, end_s: float, good: bool = True, *, every_s: float = 1.0, **changes: Any) -> list[RequestRecord]:
    """One request each `every_s` seconds in [start_s, end_s)."""
    count = round((end_s - start_s) / every_s)
    return [request(start_s + index * every_s, good, **changes) for index in range(count)]


def outage(start_s: float = FAULT, end_s: float = RECOVERY, **changes: Any) -> list[RequestRecord]:
    """Good all the way from baseline to end but for [start_s, end_s)."""
    return [
        *requests(BASELINE, start_s, **changes),
        *requests(start_s, end_s, False, **changes),
        *requests(end_s, END, **changes),
    ]


def act(at_s: float, what: str, step: str = "roll", **detail: Any) -> Event:
    return Event(T0 + at_s, "act", what, step, {"fault_id": "f1", **detail})


def whole_life(at_s: float = FAULT, until_s: float = RECOVERY, step: str = "roll") -> list[Event]:
    """A step that was applied, bit, and healed."""
    return [
        act(at_s, "planned", step, reach={"nodes": ["sydney.store"]}),
        act(at_s, "intended", step, describe="rolls the key of sydney"),
        act(at_s, "applied", step),
        act(at_s + 1, "bitten", step, evidence="the old key is refused"),
        act(until_s, "reverting", step),
        act(until_s, "reverted", step),
        act(until_s + 1, "healed", step, evidence="both keys work"),
    ]


def finished_events(steps: Iterable[Event] = (), *, planned: float = 3000) -> list[Event]:
    """The events around a healthy run."""
    gauges = {"planned": planned, "issued": planned, "lag_p99_ms": 2.0, "cpu_share": 0.2}
    return [
        Event(T0 + BASELINE, "run", "started"),
        Event(T0 + BASELINE, "phase", "baseline"),
        Event(T0 + FAULT, "phase", "fault"),
        *steps,
        Event(T0 + END, "load", "gauges", "", gauges),
        Event(T0 + END, "run", "finished"),
    ]


def history(found: Iterable[RequestRecord] = (), events: Iterable[Event] = ()) -> History:
    return History(tuple(events), tuple(sorted(found, key=lambda r: (r.intended_s, r.id))))


def document(**changes: Any) -> dict[str, Any]:
    """An experiment file's data: baseline 00:10, fault 00:20, recovery 00:40, end 01:00."""
    base: dict[str, Any] = {
        "schema": "brownout/experiment/v1",
        "name": "tiny",
        "title": "A key rolls too early",
        "timeline": {
            "date": "2024-07-12",
            "warm_up": "00:00",
            "baseline": "00:10",
            "fault": "00:20",
            "recovery": "00:40",
            "end": "01:00",
            "edge": "1m",
        },
        "postures": {
            "broken": {"description": "as it was", "expect": "breach"},
            "repaired": {"description": "with the gate", "expect": "pass", "defends": ["roll"]},
        },
        "posture": "broken",
        "schedule": [
            {
                "name": "roll",
                "at": "00:20",
                "until": "00:40",
                "role": "fault",
                "fault": "roll-key",
                "with": {"region": "sydney"},
            }
        ],
        "load": {"cohorts": [{"name": "new", "model": "token", "region": "sydney", "rate_per_s": 1.0}]},
        "slos": [
            {
                "name": "tokens",
                "indicator": {"ratioMetric": {"total": {"cohorts": ["new"]}}},
                "objectives": [{"target": 0.99}],
            }
        ],
        "alerts": {"new-machines": {"of": {"cohorts": ["new"]}, "target": 0.99, "long": "5m", "short": "1m"}},
    }
    return {**base, **changes}


def experiment(**changes: Any) -> Experiment:
    return Experiment.model_validate(document(**changes))
