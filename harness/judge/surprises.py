"""Steps that were declared to have no effect, and had one: the failing share of a cohort rose while they were in place.

Theory. A cohort is surprised when its failing share while the step is in place is above that just before by more than chance
explains: the exact bounds of the two do not overlap. There are as many chances to be wrong as there are steps and cohorts, so
each comparison is made at a confidence that leaves the whole with that of the experiment (Bonferroni). The windows end where a
step that is expected to have an effect changed the stack. Others do not cut them: of two harmless steps at one moment either
may be the one that hurt, and both are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from brownout.harness.base.stats import exact_high, exact_low, percent
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.selection import between, count, good_rule
from brownout.harness.judge.steps import WINDOW_S, Around, Life, changes_s, lives, windows_around
from brownout.harness.record.history import History, RequestRecord


def surprises(experiment: Experiment, history: History) -> Mapping[str, str]:
    """By step: which cohorts it hurt though it was declared to have no effect, with figures."""
    known = lives(history.events)
    harmless = [step.name for step in experiment.schedule if step.bite == "none-expected" and _is_applied(known, step.name)]
    effective = {step.name for step in experiment.schedule if step.bite == "required"}
    compared = [
        (name, cohort, around)
        for name in harmless
        for cohort, around in _by_cohort(
            experiment,
            history.requests,
            known[name],
            changes_s({other: life for other, life in known.items() if other in effective or other == name}),
        )
        if around.before.total and around.after.total
    ]
    found: dict[str, list[str]] = {}
    for name, cohort, around in compared:
        if _rose(around, confidence=1 - (1 - experiment.gates.confidence) / len(compared)):
            before, after = (percent(seen.bad / seen.total) for seen in (around.before, around.after))
            found.setdefault(name, []).append(f"{cohort} failed {before} before and {after} while it was in place")
    return {name: ", ".join(texts) for name, texts in found.items()}


def _is_applied(known: Mapping[str, Life], name: str) -> bool:
    return name in known and known[name].first_s("applied") is not None


def _by_cohort(
    experiment: Experiment, requests: Sequence[RequestRecord], life: Life, changed_s: list[float]
) -> Iterator[tuple[str, Around]]:
    before, after = windows_around(experiment, life, changed_s, WINDOW_S)
    near, is_good = between(requests, before[0], after[1]), good_rule(experiment)
    for cohort in experiment.load.cohorts:
        own = [request for request in near if request.cohort == cohort.name]
        yield cohort.name, Around(count(between(own, *before), is_good), count(between(own, *after), is_good))


def _rose(around: Around, *, confidence: float) -> bool:
    before, after = around.before, around.after
    return exact_low(after.bad, after.total, confidence) > exact_high(before.bad, before.total, confidence)
