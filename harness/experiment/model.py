"""An experiment as data: steady state, schedule, load, objectives, gates, claims. Files are read by `loader`.

Times in a file are `"HH:MM"` or `"HH:MM:SS"` on the experiment's emulated day (quoted: YAML 1.1 reads 12:30 as 750);
durations are `500ms`, `10s`, `5m`, `24h`. Objectives use OpenSLO's field names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, StrictBool

from brownout.harness.base.durations import ClockTime, Duration
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import WORD_MAX, OneLine, PlainData, Real, Text, Word
from brownout.harness.errors import UsageError
from brownout.harness.experiment.subject import Subject
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.retries import RetryName
from brownout.harness.record.verdicts import Verdict
from brownout.harness.worlds.catalog import COMPOSE, PROCESSES
from brownout.identity.core.topology import DEFAULT_REGIONS, DEFAULT_VENDORS, REGIONS

BURN_MAX = 1e6
ClockRate = Annotated[Real, Field(ge=0.001, le=100_000)]
LEAST_BUDGET = 1e-6
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _with_a_budget(target: float) -> float:
    if round(1 - target, 12) < LEAST_BUDGET:  # bad requests are counted against it, and it is divided by
        raise ValueError(f"{target!r} allows not one bad request in a million")
    return target


def _day(text: str) -> str:
    try:
        is_date = _DATE.fullmatch(text) is not None and date.fromisoformat(text).year >= 1970
    except ValueError:
        is_date = False
    if not is_date:
        raise ValueError(f"{text!r} is not a date; write YYYY-MM-DD")
    return text


Target = Annotated[float, Field(gt=0, lt=1), AfterValidator(_with_a_budget)]
Day = Annotated[OneLine, AfterValidator(_day)]
PHASES = ("baseline", "onset", "fault", "heal", "recovery")


class Timeline(FrozenModel):
    """The emulated day and the phases' borders on it. Each phase ends where the next begins."""

    date: Day = Field(description="the emulated day, YYYY-MM-DD, UTC")
    warm_up: ClockTime = Field(description="when the load begins, HH:MM or HH:MM:SS; no objective counts it")
    baseline: ClockTime = Field(description="when the measured time before the fault begins")
    fault: ClockTime = Field(description="when the first fault may be put in place")
    recovery: ClockTime = Field(description="when the faults are over")
    end: ClockTime = Field(description="when the run ends")
    edge_s: Duration = Field(
        60.0, alias="edge", description="length of onset and heal, cut from the start of fault and of recovery"
    )
    rates: Mapping[OneLine, ClockRate] = Field(
        default_factory=dict,
        description="clock rate per world: emulated seconds per real second. Compose takes that of processes, else 1",
    )

    def rate(self, world: str) -> float:
        """Emulated seconds per real second in that world."""
        return self.rates.get(world) or (self.rates.get(PROCESSES) if world == COMPOSE else None) or 1.0

    def epoch_s(self) -> float:
        """Emulated epoch seconds of midnight."""
        return _midnight_s(self.date)


@lru_cache(maxsize=64)  # every figure of a run is asked for by the phases' times
def _midnight_s(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


class Posture(FrozenModel):
    """A named set of switches of the system under test, and what its verdict should be."""

    description: Text = Field(description="what it stands for, in a sentence")
    expect: Verdict = Field(description="the verdict that a run of it should have")
    settings: PlainData = Field(default_factory=dict, description="its switches, put over the experiment's settings")
    defends: tuple[OneLine, ...] = Field((), description="steps that this posture is expected to refuse")
    skips: tuple[OneLine, ...] = Field((), description="mitigations and operations that have no reason under this posture")


class StackShape(FrozenModel):
    """Which stack an experiment runs on: the vendors whose clients it serves, its regions, and which of them is home."""

    vendors: tuple[Literal["aws", "azure"], ...] = Field(
        DEFAULT_VENDORS, min_length=1, description="whose clients the stack serves"
    )
    regions: tuple[OneLine, ...] = Field(
        DEFAULT_REGIONS, min_length=1, description=f"any of {', '.join(REGIONS)}; sydney and melbourne when none is named"
    )
    home: OneLine | None = Field(None, description="the region of the control plane; the first of `regions` when none is named")


class Step(FrozenModel):
    """One act on the stack at a time: a fault, an operator's operation, or a mitigation that is tried."""

    name: OneLine = Field(description="its name in the report and for `needs`")
    at: ClockTime = Field(description="when it begins, HH:MM or HH:MM:SS of the emulated day")
    until: ClockTime | None = Field(None, description="when it is undone; at the end of the run when left out")
    role: Literal["fault", "operation", "mitigation"] = Field(
        description="a fault, an operator's operation, or a mitigation that is tried"
    )
    fault: OneLine = Field(description="kind of the fault (brownout.faults)")
    with_: PlainData = Field(default_factory=dict, alias="with", description="the fault's own parameters")
    note: Text = Field("", description="a remark for the report")
    needs: OneLine | None = Field(None, description="a step without which this one is not tried")
    bite: Literal["required", "none-expected"] = Field(
        "required", description="none-expected: the step is tried and its lack of effect is the point"
    )
    exposure: Literal["required", "none-expected"] = Field(
        "required", description="none-expected: that no request of an objective needs what the step breaks is the point"
    )
    exposure_reason: Text = Field("", description="why no request is expected to need it")


class Selector(FrozenModel):
    """Which requests: empty lists mean all."""

    cohorts: tuple[OneLine, ...] = Field((), description="of these cohorts; of all when empty")
    operations: tuple[OneLine, ...] = Field((), description="these operations; all when empty")
    regions: tuple[OneLine, ...] = Field((), description="of clients in these regions; in all when empty")
    homes: tuple[OneLine, ...] = Field((), description="about identities with these home regions; with any when empty")


class Good(FrozenModel):
    """When a request is good: it happened, within the latency (network time from the intended send)."""

    outcome: Literal["happened"] = Field("happened", description="the request was answered as it should be")
    within_s: Duration | None = Field(
        None, alias="within", description="within this time from the intended send, in network time"
    )

    @property
    def within_ms(self) -> float | None:
        """The limit in milliseconds; None without one."""
        return None if self.within_s is None else self.within_s * 1000


class RatioMetric(FrozenModel):
    total: Selector = Field(description="which requests count")
    good: Good = Field(Good(), description="which of them are good")


class Indicator(FrozenModel):
    ratioMetric: RatioMetric = Field(description="the share of good requests")  # noqa: N815 - OpenSLO's field name


class Objective(FrozenModel):
    target: Target = Field(description="the share of good requests that is asked for, such as 0.999")


class Slo(FrozenModel):
    """One objective, in OpenSLO's names. `phases` are the phases that the objective is judged over."""

    name: OneLine = Field(description="its name in the verdict and the report")
    description: Text = Field("", description="what it promises, in a sentence")
    indicator: Indicator = Field(description="what is measured")
    objectives: tuple[Objective, ...] = Field(min_length=1, max_length=1, description="the one target")
    budgetingMethod: Literal["Occurrences"] = Field("Occurrences", description="requests are counted, not time")  # noqa: N815 - OpenSLO's field name
    phases: tuple[Literal["baseline", "onset", "fault", "heal", "recovery"], ...] = Field(
        ("onset", "fault", "heal", "recovery"), description="the phases that it is judged over, as one"
    )


class Alert(FrozenModel):
    """The rule by which the outage counts as detected: both burn-rate windows, over the requests of `of`."""

    of: Selector = Field(description="the requests that it watches")
    target: Target = Field(description="the share of good requests whose budget it is about")
    burn: float = Field(
        10.0, gt=0, le=BURN_MAX, description="how many times as fast as allowed the budget is spent when it fires"
    )
    long_s: Duration = Field(alias="long", description="the long window, emulated time")
    short_s: Duration = Field(alias="short", description="the short window, by which it ends soon")
    at_least: PositiveInt = Field(5, description="so many bad requests at least in the long window")


class Gates(FrozenModel):
    """What must hold for a verdict to mean anything; a gate that fails makes the run inconclusive."""

    lag_p99_s: Duration = Field(
        0.05, alias="lag_p99", description="arrivals may be late by this, 99th percentile, in network time"
    )
    issued_share: float = Field(0.99, ge=0, le=1, description="this share of the planned arrivals was sent")
    generator_cpu: float = Field(0.85, ge=0, le=1, description="the load generator may take this share of a processor")
    steady_state: StrictBool = Field(True, description="the baseline meets the objectives")
    confidence: float = Field(0.95, ge=0.9, le=0.999999, description="of every bound; at least 0.9")


class StopRule(FrozenModel):
    """When a run ends early, with every fault reverted: the system is broken where no fault explains it."""

    baseline: StrictBool = Field(
        True, description="the sequential test: once an objective of the baseline is surely missed (needs gates.steady_state)"
    )
    bad_share: float = Field(
        0.5, gt=0, lt=1, description="the hard stop: more than this share of an objective's requests is bad"
    )
    for_s: Duration = Field(10.0, alias="for", description="the hard stop: for so long, in network time")
    phases: tuple[Literal["baseline", "recovery"], ...] | None = Field(
        None,
        description="where the hard stop is on while no fault is in place; the baseline, where gates.steady_state is on",
    )

    def phases_of(self, *, steady_state: bool) -> tuple[str, ...]:
        """The phases in which the hard stop is on, given the gate of that name."""
        if self.phases is not None:
            return self.phases
        return ("baseline",) if steady_state else ()


NEVER_STOPS = StopRule(baseline=False, phases=())


class BlastRadius(FrozenModel):
    """What may be broken at once: in the experiment's schedule, and by hand on a standing stack."""

    faults: PositiveInt = Field(10, description="so many faults at once")
    nodes_down: float = Field(
        0.66, gt=0, le=1, description="this share of the stack's nodes may be down, stopped, paused or cut off at once"
    )


class Load(FrozenModel):
    cohorts: tuple[Cohort, ...] = Field(min_length=1, description="the groups of clients")
    deadline_s: Duration = Field(2.0, alias="deadline", description="how long a client waits for an answer, in network time")
    primed: StrictBool = Field(True, description="established machines start with cached tokens of every age")


class ControlRun(FrozenModel):
    """A second, simulated run that a claim is compared with: another posture, steps dropped or added, load thinned.

    The cohorts that it adds have their own rates, whatever its share of the others' is. It may have only those cohorts, and
    last only as long, as its claims read; the steps that begin at its own end or later are not part of it.
    """

    posture: Word = Field(description="the posture of this run")
    drop: tuple[OneLine, ...] = Field((), description="steps of the experiment that it leaves out")
    add: tuple[Step, ...] = Field((), description="steps that only it has")
    add_machines: PlainData = Field(default_factory=dict, description="machines that only this run has, by name")
    add_cohorts: tuple[Cohort, ...] = Field((), description="cohorts that only this run has, at their own rates")
    cohorts: tuple[OneLine, ...] | None = Field(None, description="the experiment's cohorts that this run has; all by default")
    settings: PlainData = Field(default_factory=dict, description="settings that only it has")
    load_scale: float = Field(1.0, gt=0, le=1, description="the share of the arrivals of the experiment's cohorts")
    retry: RetryName | None = Field(None, description="how the cohorts that try again do so here instead")
    name_caches: StrictBool = Field(True, description="false: clients have no caches of names here")
    fault: ClockTime | None = Field(None, description="its own time of the fault")
    recovery: ClockTime | None = Field(None, description="its own time of recovery")
    end: ClockTime | None = Field(None, description="its own end")


class Experiment(FrozenModel):
    """A whole experiment file."""

    schema_: Literal["brownout/experiment/v1"] = Field(alias="schema", description="the version of this format")
    name: OneLine = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=WORD_MAX,
        description="lower case, digits and hyphens; the file's short name",
    )
    title: OneLine = Field(description="one line for the report")
    description: Text = Field("", description="what is tried, and why")
    source: Text = Field("", description="what it goes back to, such as an incident's report")
    timeline: Timeline
    postures: Mapping[Word, Posture] = Field(min_length=1, description="the states of the system that can be tried, by name")
    posture: Word = Field(description="the posture when none is named")
    settings: PlainData = Field(default_factory=dict, description="settings of the service, for all postures")
    machines: PlainData = Field(default_factory=dict, description="machines beside or instead of the standard ones, by name")
    stack: StackShape = StackShape()
    schedule: tuple[Step, ...] = Field((), description="the faults and operations, in time")
    subject: Subject | None = Field(None, description="the application that the experiment is about; none by default")
    load: Load
    slos: tuple[Slo, ...] = Field(min_length=1, description="the objectives that decide the verdict")
    alerts: Mapping[OneLine, Alert] = Field(
        default_factory=dict, description="rules by which an outage counts as detected, by name"
    )
    gates: Gates = Gates()
    stop: StopRule = StopRule()
    blast_radius: BlastRadius = BlastRadius()
    claims: Text = Field("", description="name of a set of claims (brownout.claims)")
    controls: Mapping[Word, ControlRun] = Field(
        default_factory=dict, description="simulated runs that claims compare with, by name"
    )
    calibrated: Mapping[Text, Text] = Field(
        default_factory=dict, description="parameters that were chosen to fit a published figure, and which figure"
    )

    def posture_named(self, name: str) -> tuple[str, Posture]:
        """The name and the posture, the experiment's own when `name` is empty; raises UsageError with a suggestion."""
        wanted = name or self.posture
        if wanted not in self.postures:
            hint = did_you_mean(wanted, self.postures) or f"postures: {', '.join(self.postures)}"
            raise UsageError(f"experiment {self.name} has no posture {wanted!r}", hint=hint)
        return wanted, self.postures[wanted]
