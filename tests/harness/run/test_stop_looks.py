"""How the watch that ends a run early looks at the log: when, at which requests, and which of its rules it asks about what."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.steps import moments, resolve_steps
from brownout.harness.record.history import RequestRecord
from brownout.harness.run import stop_watch
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.stop_watch import LOG_S, StopWatch
from support.conductor_bench import day

MINUTE_S = 60.0
BASELINE_S, FAULT_S, RECOVERY_S, END_S = (
    10 * MINUTE_S,
    60 * MINUTE_S,
    125 * MINUTE_S,
    180 * MINUTE_S,
)  # of the small day, whose edge is 5 min
EVERYWHERE = {"phases": ["baseline", "recovery"]}


class NotedRule:
    """Stands for a rule: what it was made with, what it counted, and about which time it was asked."""

    kind: ClassVar[str]
    made: ClassVar[list[NotedRule]]

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.counted, self.asked, self.says = arguments, list[Any](), list[tuple[float, ...]](), ""
        self.restarts = 0
        self.made.append(self)

    def restart(self) -> None:
        self.restarts += 1
        self.counted.clear()

    def add(self, *when: float, good: bool) -> None:
        self.counted.append((*when, good))

    def broken(self, *times: float) -> str:
        self.asked.append(times)
        return self.says


@dataclass
class Watched:
    """A watch over a log that a test writes, at times that it sets; all times count from midnight of the small day."""

    experiment: Experiment
    monkeypatch: pytest.MonkeyPatch
    rate: float = 1.0
    log: list[RequestRecord] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    now_s: float = 0.0
    reads: int = 0

    def __post_init__(self) -> None:
        self.baselines, self.outages = list[NotedRule](), list[NotedRule]()
        for name, made in (("BaselineRule", self.baselines), ("OutageRule", self.outages)):
            self.monkeypatch.setattr(stop_watch, name, type(name, (NotedRule,), {"made": made}))
        self.midnight_s = self.experiment.timeline.epoch_s()
        journal = SimpleNamespace(new_requests=self.read, event=lambda *_, detail: self.events.append(detail))
        world = SimpleNamespace(rate=self.rate, now=lambda: self.midnight_s + self.now_s)
        run = prepare(self.experiment, Options())
        self.watch = StopWatch(run, cast(Any, world), cast(Any, journal))
        self.settled_s = (self.experiment.load.deadline_s + LOG_S) * self.rate

    def read(self) -> list[RequestRecord]:
        self.reads += 1
        new, self.log = self.log, []
        return new

    def next_s(self) -> float:
        return self.watch.next_s() - self.midnight_s

    def look_at(self, now_s: float) -> None:
        self.now_s = now_s
        self.watch.look_due()

    def sent(self, *intended_s: float, outcome: str = "happened", late_s: float = 0.0, cohort: str = "warm") -> None:
        for at_s in intended_s:
            intended = self.midnight_s + at_s
            sent = (intended, intended + late_s * self.rate, intended + 1.0)
            told: Any = outcome
            self.log.append(RequestRecord("r", cohort, "token", "sydney", "sydney", "web_1", *sent, 5.0, 200, told))

    def counted(self, rule: NotedRule) -> list[float]:
        """When the requests that an outage's rule counted were meant to be sent."""
        return [at_s - self.midnight_s for at_s, _ in rule.counted]


def steady(**changed: Any) -> Experiment:
    return day(gates={"steady_state": True}, **changed)


@pytest.mark.parametrize(("rate", "apart_s"), [(1.0, 50.0), (60.0, 60.0)])
def test_it_looks_sixty_times_in_a_stretch_and_each_second_of_the_network_at_most(
    monkeypatch: pytest.MonkeyPatch, rate: float, apart_s: float
) -> None:
    """From the begin of the baseline on, which takes 3,000 s here."""
    watched = Watched(steady(), monkeypatch, rate)
    assert watched.next_s() == BASELINE_S
    watched.look_at(BASELINE_S - 1.0)
    assert watched.reads == 0
    watched.look_at(BASELINE_S)
    assert (watched.reads, watched.next_s()) == (1, BASELINE_S + apart_s)
    watched.look_at(BASELINE_S + apart_s - 1.0)
    assert watched.reads == 1
    watched.look_at(BASELINE_S + apart_s + 5.0)
    assert (watched.reads, watched.next_s()) == (2, BASELINE_S + 2 * apart_s + 5.0)


@pytest.mark.parametrize("rate", [1.0, 2.0])
def test_a_request_counts_once_its_deadline_has_passed(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    """In the order in which they were meant to be sent, from the begin of the stretch on; a later look counts the others."""
    watched = Watched(steady(stop=EVERYWHERE), monkeypatch, rate)
    (baseline,), (outage,) = watched.baselines, watched.outages
    settled_s = BASELINE_S + 100.0
    watched.sent(settled_s, settled_s - 1.0, BASELINE_S, BASELINE_S - 1.0, settled_s + 40.0)
    watched.look_at(settled_s + watched.settled_s)
    assert watched.counted(outage) == [BASELINE_S, settled_s - 1.0]
    assert baseline.counted == [(True,), (True,)]
    watched.sent(settled_s + 20.0)
    watched.look_at(settled_s + watched.settled_s + 200.0)
    assert watched.counted(outage)[2:] == [settled_s, settled_s + 20.0, settled_s + 40.0]
    assert len(baseline.counted) == 5


def test_each_rule_is_asked_about_the_time_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline's how long that is, the outage's from when to when; neither while no time of the stretch is settled."""
    watched = Watched(steady(stop=EVERYWHERE), monkeypatch)
    (baseline,), (outage,) = watched.baselines, watched.outages
    watched.look_at(BASELINE_S + watched.settled_s)
    assert (baseline.asked, outage.asked) == ([], [])
    watched.look_at(BASELINE_S + watched.settled_s + 60.0)
    start_s = watched.midnight_s + BASELINE_S
    assert (baseline.asked, outage.asked) == ([(60.0,)], [(start_s, start_s + 60.0)])


def test_rules_know_their_objective_and_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the sequential test is shared by all; the hard stop's time is of the network."""
    first, other = steady().slos[0].model_dump(by_alias=True, exclude_unset=True), {"target": 0.5}
    watched = Watched(steady(slos=[first, {**first, "name": "t", "objectives": [other]}]), monkeypatch, 60.0)
    assert [rule.arguments for rule in watched.baselines] == [("s", 0.99, 3000.0, 2), ("t", 0.5, 3000.0, 2)]
    assert [rule.arguments for rule in watched.outages] == [("s", 0.5, 600.0), ("t", 0.5, 600.0)]


def test_each_objective_counts_its_own_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """As good or bad as it finds them, and none that left so late that it says nothing of the service."""
    first = steady().slos[0].model_dump(by_alias=True, exclude_unset=True)
    fast = {"total": {}, "good": {"within": "1ms"}}
    watched = Watched(steady(slos=[first, {**first, "name": "t", "indicator": {"ratioMetric": fast}}]), monkeypatch)
    mine, every = watched.baselines
    watched.sent(BASELINE_S + 1.0)
    watched.sent(BASELINE_S + 2.0, cohort="other")
    watched.sent(BASELINE_S + 3.0, outcome="refused")
    watched.sent(BASELINE_S + 4.0, outcome="refused", late_s=0.06)
    watched.sent(BASELINE_S + 5.0, late_s=2.0)
    watched.look_at(BASELINE_S + 100.0)
    assert mine.counted == [(True,), (False,)]
    assert every.counted == [(False,), (False,), (False,)]


def test_a_stretch_ends_with_its_last_request_and_the_next_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was before the faults is forgotten; after the last stretch nothing is looked at any more."""
    watched = Watched(steady(stop=EVERYWHERE), monkeypatch)
    (baseline,), (outage,) = watched.baselines, watched.outages
    begun = outage.restarts
    watched.sent(FAULT_S - 1.0, FAULT_S, RECOVERY_S)
    watched.look_at(FAULT_S + watched.settled_s - 1.0)
    assert watched.counted(outage) == [], "the last second is not settled"
    assert outage.restarts == begun
    watched.look_at(FAULT_S + watched.settled_s + 60.0)
    assert baseline.asked[-1] == (FAULT_S - BASELINE_S,), "no time after the stretch counts"
    assert baseline.counted == [(True,)]
    assert (outage.restarts, watched.next_s()) == (begun + 1, RECOVERY_S)
    asked = len(baseline.asked)
    watched.look_at(RECOVERY_S + watched.settled_s + 30.0)
    assert watched.counted(outage) == [RECOVERY_S]
    assert (len(baseline.asked), len(baseline.counted)) == (asked, 1), "the baseline's rule is not asked of the recovery"
    watched.look_at(END_S + watched.settled_s)
    assert watched.next_s() == math.inf


@pytest.mark.parametrize(
    ("stop", "is_steady", "kinds"),
    [
        ({}, True, ("baseline", "outage")),
        ({"phases": []}, True, ("baseline",)),
        ({"baseline": False}, True, ("outage",)),
        ({"phases": ["baseline"]}, False, ("outage",)),
    ],
)
def test_which_rules_are_asked_in_the_baseline(
    monkeypatch: pytest.MonkeyPatch, stop: dict[str, Any], is_steady: bool, kinds: tuple[str, ...]
) -> None:
    """The sequential test where a steady baseline is asked for and it is not switched off; the hard stop where it is on."""
    watched = Watched(day(gates={"steady_state": is_steady}, stop=stop), monkeypatch)
    watched.sent(BASELINE_S + 1.0)
    watched.look_at(BASELINE_S + 100.0)
    rules = {"baseline": watched.baselines, "outage": watched.outages}
    assert tuple(kind for kind, made in rules.items() if any(rule.asked for rule in made)) == kinds


@pytest.mark.parametrize(
    ("stop", "is_steady", "phases"),
    [
        ({}, True, ["baseline"]),
        ({}, False, []),
        ({"phases": ["recovery"]}, True, ["baseline", "recovery"]),
        ({"phases": ["recovery"]}, False, ["recovery"]),
        ({"phases": ["recovery"], "baseline": False}, True, ["recovery"]),
        ({"phases": ["baseline"], "baseline": False}, False, ["baseline"]),
    ],
)
def test_only_phases_in_which_a_rule_is_on_are_watched(stop: dict[str, Any], is_steady: bool, phases: list[str]) -> None:
    """Of a baseline that need not be steady, or whose test is switched off, nothing is read for its own rule."""
    experiment = day(gates={"steady_state": is_steady}, stop=stop)
    found = stop_watch.stretches(experiment, moments(experiment.timeline, resolve_steps(experiment.schedule)))
    assert [one.phase for one in found] == phases


def test_the_first_reason_ends_the_run_and_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No later look changes it."""
    watched = Watched(steady(stop=EVERYWHERE), monkeypatch)
    (baseline,), (outage,) = watched.baselines, watched.outages
    baseline.says, outage.says = "too many were bad", "most were bad"
    watched.look_at(FAULT_S + watched.settled_s)
    assert watched.watch.reason == "too many were bad"
    outage.says, baseline.says = "later", "later"
    watched.look_at(FAULT_S + watched.settled_s + 1000.0)
    assert (watched.watch.reason, watched.events, watched.reads) == ("too many were bad", [{"reason": "too many were bad"}], 1)


@pytest.mark.parametrize(
    ("faults", "spans"),
    [
        ([], [(10, 60), (125, 180)]),
        ([("00:10", "00:20")], [(125, 180)]),
        ([("00:00", "00:10")], [(10, 60), (125, 180)]),
        ([("00:00", "00:20")], [(125, 180)]),
        ([("00:20", "00:30")], [(10, 20), (125, 180)]),
        ([("01:00", "01:30")], [(10, 60), (125, 180)]),
        ([("01:30", "02:05")], [(10, 60), (125, 180)]),
        ([("01:30", "02:10")], [(10, 60), (130, 180)]),
        ([("02:10", "02:20"), ("02:15", "02:30")], [(10, 60), (125, 130), (150, 180)]),
        ([("02:10", "02:30"), ("02:15", "02:20")], [(10, 60), (125, 130), (150, 180)]),
        ([("02:30", "03:00")], [(10, 60), (125, 150)]),
    ],
)
def test_the_time_without_a_fault(faults: list[tuple[str, str]], spans: list[tuple[float, float]]) -> None:
    """Of the baseline only what is before its first fault; of the recovery all between faults, by the schedule."""
    steps = [
        {"name": f"held-{number}", "at": at, "until": until, "role": "fault", "fault": "x"}
        for number, (at, until) in enumerate(faults)
    ]
    experiment = steady(stop=EVERYWHERE, schedule=steps)
    midnight_s = experiment.timeline.epoch_s()
    found = stop_watch.stretches(experiment, moments(experiment.timeline, resolve_steps(experiment.schedule)))
    assert [((one.start_s - midnight_s) / 60, (one.end_s - midnight_s) / 60) for one in found] == spans
