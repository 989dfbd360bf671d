"""Times, alerts and effects of many small outages: held against what was reviewed, `tests/harness/judge/approved_times.json`.

An outage comes and goes at each border of a small day, alone, with a relapse, or after a baseline that was noisy.
`PYTHONPATH=tests python -m support.approved_times --write` renews the file. A difference is to be reviewed, row by row, before
it is committed: the file says that a time is as it was, and the tests of the times that it is right.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import product

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import Record, RunHeader
from brownout.harness.record.history import RequestRecord
from support.approvals import figures
from support.approved_rows import renew
from support.places import ROOT
from support.slo_builders import BASELINE, END, FAULT, RECOVERY, T0, document, finished_events, history, requests, whole_life

APPROVED = ROOT / "tests/harness/judge/approved_times.json"
EVERY_S = 20
STARTS_S = (FAULT - 20, FAULT, FAULT + 20, RECOVERY - 20)
ENDS_S = (FAULT + 40, FAULT + 300, FAULT + 320, RECOVERY - 20, RECOVERY, RECOVERY + 20, END - 320, END - 300, END - 280, END)
RELAPSES: Mapping[str, tuple[int, int]] = {
    "alone": (0, 0),
    "relapse soon": (RECOVERY + 100, RECOVERY + 120),
    "relapse late": (RECOVERY + 320, RECOVERY + 400),
    "noisy": (BASELINE + 100, BASELINE + 120),
    "very noisy": (BASELINE + 100, BASELINE + 200),
}
ALERTS: Mapping[str, Mapping[str, object]] = {
    "usual": {"target": 0.99, "long": "5m", "short": "1m"},
    "patient": {"target": 0.9, "long": "10m", "short": "2m", "at_least": 3, "burn": 2.0},
    "quick": {"target": 0.5, "long": "40s", "short": "20s", "at_least": 1, "burn": 1.0},
}


def _experiment() -> Experiment:
    alerts = {name: {"of": {"cohorts": ["new"]}, **said} for name, said in ALERTS.items()}
    rate = {"cohorts": [{"name": "new", "model": "token", "region": "sydney", "rate_per_s": 1 / EVERY_S}]}
    return Experiment.model_validate(document(alerts=alerts, load=rate))


def _requests(*bad: tuple[int, int]) -> list[RequestRecord]:
    return [
        one._replace(outcome="refused", status=503)
        if any(start_s <= one.intended_s - T0 < end_s for start_s, end_s in bad)
        else one
        for one in requests(BASELINE, END, every_s=EVERY_S)
    ]


def outages() -> tuple[tuple[int, int], ...]:
    """When each outage comes and goes."""
    return tuple((start_s, end_s) for start_s, end_s in product(STARTS_S, ENDS_S) if start_s < end_s)


def rows(start_s: int, end_s: int) -> Iterator[tuple[str, str]]:
    """By what else there was beside an outage: the times of the whole and of each alert by itself."""
    whole = _experiment()
    for what, relapse in RELAPSES.items():
        found = _requests((start_s, end_s), relapse)
        yield what, _judged(whole, found)
        if what in ("alone", "noisy", "relapse late"):
            for name, alert in whole.alerts.items():
                yield f"{what}: {name}", _judged(whole.model_copy(update={"alerts": {name: alert}}), found)


def _judged(experiment: Experiment, found: list[RequestRecord]) -> str:
    header = RunHeader(
        experiment=experiment,
        world="simulation",
        posture="broken",
        seed=7,
        versions={},
        clock_rate=1.0,
        started_at="",
        command="",
    )
    events = finished_events(whole_life(), planned=len(found))
    result = evaluate_record(Record(header, history(found, events)))
    (step,) = result.steps
    effect = {"before": step.before, "after": step.after, "effect": step.effect.partition(":")[0]}
    times = {key: value for key, value in result.times.model_dump(mode="json").items() if value is not None}
    alerts = {name: at_s - T0 for name, at_s in result.alerts.items() if at_s is not None}
    outages = [share.longest_outage_s for phase in result.phases for share in phase.shares]
    for name in ("impact_start_s", "impact_end_s", "recovered_s"):
        if name in times:
            times[name] -= T0
    return figures({**times, "alerts": alerts, **effect, "outages": outages})


def approved() -> Mapping[str, Mapping[str, str]]:
    """The rows that were reviewed, by outage."""
    found: Mapping[str, Mapping[str, str]] = json.loads(APPROVED.read_text(encoding="utf-8"))
    return found


def named(start_s: int, end_s: int) -> str:
    """What the file calls an outage."""
    return f"{start_s}-{end_s}"


def main() -> int:
    """Renews the file; without `--write` it only says whether it would differ."""
    renew(APPROVED, {named(*outage): dict(rows(*outage)) for outage in outages()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
