"""A schedule as data: acts in time on a ground, with the clients that are there and a seed.

A *ground* is an experiment without a schedule: its stack, its clients, its objectives and its timeline. A schedule on a ground
is an experiment like any other, so what the search finds is a file that `brownout run` carries out in any world.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import Field

from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import INT_MAX, OneLine, PlainData, Text
from brownout.harness.experiment.model import Experiment, Indicator, Posture, RatioMetric, Selector, Slo, Step

POSTURE = "searched"
PLANTED = "planted"  # the setting that switches planted bugs on
UNMET = "a searched schedule may break what no request needs"
ActSeconds = Annotated[int, Field(ge=0, le=86_400)]


class Act(FrozenModel):
    """One fault of a schedule: what it is, when it comes after the start of the phase `fault`, and for how long it stays."""

    kind: OneLine
    params: PlainData = Field(default_factory=dict)
    at_s: ActSeconds
    for_s: Annotated[int, Field(ge=1, le=86_400)]

    @property
    def end_s(self) -> int:
        return self.at_s + self.for_s

    def label(self) -> str:
        """The act in a line, as people read it."""
        told = ", ".join(f"{name}={_spoken(value)}" for name, value in self.params.items())
        return f"{self.kind}({told}) at {self.at_s} s for {self.for_s} s"


class ActSeen(NamedTuple):
    """Whether an act was seen to bite, and whether a judged request met what it broke."""

    bites: bool
    is_met: bool


NOT_SEEN = ActSeen(bites=True, is_met=True)


class FaultSchedule(FrozenModel):
    """Acts on a ground. `cohorts` are the clients that are there; `planted` the bugs that are switched on."""

    schema_: Literal["brownout/schedule/v1"] = Field("brownout/schedule/v1", alias="schema")
    ground: OneLine
    seed: int = Field(ge=0, le=INT_MAX)
    acts: tuple[Act, ...]
    cohorts: tuple[OneLine, ...] = Field(min_length=1)
    planted: tuple[OneLine, ...] = ()

    def with_acts(self, acts: Iterable[Act]) -> FaultSchedule:
        """The same with other acts, in the order of their times."""
        return self.model_copy(update={"acts": tuple(sorted(acts, key=lambda act: (act.at_s, act.kind)))})

    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted({act.kind for act in self.acts}))

    def label(self) -> str:
        return "; ".join(act.label() for act in self.acts) or "no act"


def window_s(ground: Experiment) -> int:
    """ActSeconds from the start of the phase `fault` to that of `recovery`, in which acts come and go."""
    return ground.timeline.recovery - ground.timeline.fault


def experiment_of(
    schedule: FaultSchedule,
    ground: Experiment,
    *,
    name: str = "",
    title: str = "",
    source: Text = "",
    seen: Sequence[ActSeen] = (),
) -> Experiment:
    """The experiment that carries the schedule out. `seen` has what is declared of each act, nothing where it is not known."""
    known = {cohort.name: cohort for cohort in ground.load.cohorts}
    settings = dict(ground.settings) | ({PLANTED: list(schedule.planted)} if schedule.planted else {})
    return ground.model_copy(
        update={
            "name": name or ground.name,
            "title": title or ground.title,
            "source": source,
            "settings": settings,
            "schedule": steps_of(schedule, ground, seen),
            "load": ground.load.model_copy(update={"cohorts": tuple(known[cohort] for cohort in schedule.cohorts)}),
            "slos": _judged(ground.slos, schedule.cohorts),
        }
    )


def steps_of(schedule: FaultSchedule, ground: Experiment, seen: Sequence[ActSeen] = ()) -> tuple[Step, ...]:
    """The schedule's acts as steps of an experiment on that ground."""
    return tuple(_step(index, act, ground, seen[index] if seen else NOT_SEEN) for index, act in enumerate(schedule.acts))


def _judged(slos: tuple[Slo, ...], cohorts: tuple[str, ...]) -> tuple[Slo, ...]:
    """The objectives over the clients that are there; the last one over all of them where none is left."""
    kept: list[Slo] = []
    for slo in slos:
        total = slo.indicator.ratioMetric.total
        there = tuple(name for name in total.cohorts if name in cohorts)
        if there == total.cohorts or there:
            kept.append(_over(slo, total.model_copy(update={"cohorts": there})))
    return tuple(kept) or (_over(slos[-1], Selector()),)


def _over(slo: Slo, total: Selector) -> Slo:
    ratio = slo.indicator.ratioMetric
    return slo.model_copy(update={"indicator": Indicator(ratioMetric=RatioMetric(total=total, good=ratio.good))})


def _step(index: int, act: Act, ground: Experiment, seen: ActSeen) -> Step:
    begin_s = ground.timeline.fault + act.at_s
    unmet = {} if seen.is_met else {"exposure": "none-expected", "exposure_reason": UNMET}
    return Step.model_validate(
        {
            "name": f"act-{index + 1}-{act.kind}",
            "at": begin_s,
            "until": min(begin_s + act.for_s, ground.timeline.recovery),
            "role": "fault",
            "fault": act.kind,
            "with": dict(act.params),
            "bite": "required" if seen.bites else "none-expected",
            **unmet,
        },
        context={"in_code": True},
    )


def written(experiment: Experiment) -> str:
    """The experiment as the text of a file that `brownout run` reads."""
    plain = experiment.model_dump(mode="json", by_alias=True, exclude_unset=True)
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    return text


def expecting_breach(experiment: Experiment) -> Experiment:
    """The experiment with postures that are known to breach, which is what was found."""
    told = {
        name: Posture(description=posture.description, expect="breach", settings=posture.settings, defends=posture.defends)
        for name, posture in experiment.postures.items()
    }
    return experiment.model_copy(update={"postures": told})


def _spoken(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(str, value)) or "all"
    return str(value)
