"""What is done to a recorded run before it is judged once more: features that are rare in a run, or that no simulation has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from brownout.harness.experiment.model import Alert, Indicator, Objective, Posture, RatioMetric, Selector, Slo, Step
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.experiment.subject import Subject
from brownout.harness.judge.run_folder import Record
from brownout.harness.load.arrivals import Cohort
from brownout.harness.record.attempts import Attempt
from brownout.harness.record.history import GENERATOR_FAULT, LATE, Event, History, RequestRecord

Twist = Callable[[Record], Record]
ALL = Selector()


# What is looked at


def _of(record: Record, **changes: Any) -> Record:
    """The record with other fields in its experiment."""
    experiment = record.header.experiment.model_copy(update=changes)
    return replace(record, header=record.header.model_copy(update={"experiment": experiment}))


def _header(record: Record, **changes: Any) -> Record:
    return replace(record, header=record.header.model_copy(update=changes))


def _requests(record: Record, found: Iterable[RequestRecord]) -> Record:
    every = tuple(sorted(found, key=lambda one: (one.intended_s, one.id)))
    return replace(record, history=History(record.history.events, every))


def _events(record: Record, found: Iterable[Event]) -> Record:
    return replace(record, history=History(tuple(found), record.history.requests))


def _times(record: Record) -> tuple[float, float, float, float]:
    """The starts of the baseline, of the onset and of the heal phase, and the end."""
    windows = phase_windows(record.header.experiment.timeline)
    return windows[0].start_s, windows[1].start_s, windows[3].start_s, windows[-1].end_s


def _cohorts(record: Record) -> tuple[str, ...]:
    return tuple(cohort.name for cohort in record.header.experiment.load.cohorts)


def _slo(name: str, of: Selector, target: float, within_s: float | None, *phases: str) -> Slo:
    good = {} if within_s is None else {"within": within_s}
    told = {"phases": phases} if phases else {}
    ratio = RatioMetric.model_validate({"total": of, "good": good}, context={"in_code": True})
    return Slo.model_validate(
        {"name": name, "indicator": Indicator(ratioMetric=ratio), "objectives": [Objective(target=target)], **told}
    )


def watched(record: Record) -> Record:
    """With alerts, the gate for a steady state, and objectives of several kinds."""
    first, *others = _cohorts(record)
    alerts = {
        "first": {"of": Selector(cohorts=(first,)), "target": 0.9, "burn": 2.0, "long": 60, "short": 20, "at_least": 2},
        "all": {"of": ALL, "target": 0.95, "burn": 4.0, "long": 90, "short": 15, "at_least": 3},
        "slow": {"of": ALL, "target": 0.5, "burn": 1.0, "long": 200, "short": 100, "at_least": 1},
    }
    slos = (
        _slo("first", Selector(cohorts=(first,)), 0.9, 0.5),
        _slo("others", Selector(cohorts=tuple(others)), 0.8, None, "baseline", "fault"),
        _slo("all-fast", ALL, 0.6, 0.02, "fault", "heal", "recovery"),
        _slo("strict", ALL, 0.999, None),
    )
    gates = record.header.experiment.gates.model_copy(update={"steady_state": True})
    read = {name: Alert.model_validate(said, context={"in_code": True}) for name, said in alerts.items()}
    return _of(record, alerts=read, slos=slos, gates=gates)


# Requests


def _failed(one: RequestRecord, number: int) -> RequestRecord:
    """Refused or, every fourth, not answered within two seconds."""
    if number % 4:
        return one._replace(outcome="refused", status=503, latency_ms=30.0, done_s=one.sent_s + 0.03)
    return one._replace(outcome="unknown", status=0, latency_ms=2000.0, done_s=one.sent_s + 2.0, trail="", error="timeout")


def _failing(record: Record, wanted: Callable[[int, RequestRecord], bool]) -> Record:
    found = enumerate(record.history.requests)
    return _requests(record, (_failed(one, number) if wanted(number, one) else one for number, one in found))


def outage(record: Record) -> Record:
    """Two cohorts fail for eighty seconds, one after the other."""
    first, *others = _cohorts(record)
    since_s = _times(record)[1]

    def wanted(number: int, one: RequestRecord) -> bool:
        at_s = one.intended_s - since_s
        return (one.cohort == first and 20 <= at_s < 100) or (one.cohort in others[:1] and 60 <= at_s < 140)

    return _failing(watched(record), wanted)


def outage_that_stays(record: Record) -> Record:
    """All of a cohort fails from the onset to the end, and it had failed a little before."""
    first = _cohorts(record)[0]
    since_s = _times(record)[1]
    return _failing(watched(record), lambda n, one: one.cohort == first and (one.intended_s >= since_s or n % 9 == 0))


def two_outages(record: Record) -> Record:
    """Everything fails, recovers, and fails again after the faults have ended."""
    _, since_s, healed_s, _ = _times(record)
    return _failing(
        watched(record),
        lambda _, one: since_s + 10 <= one.intended_s < since_s + 50 or healed_s + 5 <= one.intended_s < healed_s + 45,
    )


def scattered(record: Record) -> Record:
    """Every third request fails between the onset and a minute after the faults."""
    _, since_s, healed_s, _ = _times(record)
    return _failing(watched(record), lambda n, one: n % 3 == 0 and since_s <= one.intended_s < healed_s + 60)


def unsteady(record: Record) -> Record:
    """The baseline fails too."""
    return _failing(watched(record), lambda n, one: one.intended_s < _times(record)[1] and n % 2 == 0)


def slow(record: Record) -> Record:
    """Half of the answers come late while faults are in place."""
    _, since_s, healed_s, _ = _times(record)
    found = (
        one._replace(latency_ms=one.latency_ms + 700.0, done_s=one.done_s + 0.7)
        if since_s <= one.intended_s < healed_s and number % 2
        else one
        for number, one in enumerate(record.history.requests)
    )
    return _requests(watched(record), found)


def late(record: Record) -> Record:
    """Requests that left late, were never sent, are in no log, or were under way while the generator stood still."""

    def one(number: int, request: RequestRecord) -> RequestRecord | None:
        if number % 9 == 0:
            return request._replace(sent_s=request.intended_s + 1.5, done_s=request.done_s + 1.5)
        if number % 9 == 3:
            return request._replace(error=LATE, outcome="unknown", status=0)
        if number % 17 == 2:
            return request._replace(error=GENERATOR_FAULT, outcome="unknown", status=0)
        if number % 9 == 1:
            return _failed(request, number)._replace(done_s=request.sent_s + 1.0)
        return None if number % 13 == 5 else request

    found = (one(number, request) for number, request in enumerate(record.history.requests))
    return _requests(watched(record), (each for each in found if each is not None))


def none_logged(record: Record) -> Record:
    """A load of which nothing is logged."""
    return _requests(watched(record), ())


def baseline_alone(record: Record) -> Record:
    """No request from the onset on."""
    since_s = _times(record)[1]
    return _requests(watched(record), (one for one in record.history.requests if one.intended_s < since_s))


def at_borders(record: Record) -> Record:
    """Every second request is due in the very moment at which a phase or a step changes, or at the record's end."""
    moments = [window.start_s for window in phase_windows(record.header.experiment.timeline)]
    moments += [_times(record)[3], *(event.at_s for event in record.history.events if event.kind == "act")]
    found = []
    for number, one in enumerate(record.history.requests):
        at_s = moments[number // 2 % len(moments)] if number % 2 else one.intended_s
        moved = one._replace(intended_s=at_s, sent_s=at_s, done_s=at_s + one.latency_ms / 1000)
        found.append(_failed(moved, number) if number % 5 == 0 else moved)
    return _requests(watched(record), found)


# The run and its steps


def _cut(record: Record, after_s: float, *ending: Event) -> Record:
    until_s = _times(record)[1] + after_s
    events = [event for event in record.history.events if event.at_s < until_s]
    kept = (one for one in record.history.requests if one.intended_s < until_s)
    return _events(_requests(watched(record), kept), [*events, *ending])


def cut_off(record: Record) -> Record:
    """The record ends in the middle of the faults."""
    return _cut(record, 90.0)


def aborted(record: Record) -> Record:
    """The harness gave up."""
    return _cut(record, 150.0, Event(_times(record)[1] + 150, "run", "aborted", "", {"reason": "it broke"}))


def stopped_early(record: Record) -> Record:
    """Its system was not steady."""
    return _cut(record, -5.0, Event(_times(record)[1] - 5, "run", "not-steady"))


def _acts(record: Record, changed: Callable[[int, Event], Event | None]) -> Record:
    found, number = [], 0
    for event in record.history.events:
        other: Event | None = event
        if event.kind == "act":
            number, other = number + 1, changed(number, event)
        if other is not None:
            found.append(other)
    return _events(record, found)


def not_bitten(record: Record) -> Record:
    """No step was seen to bite."""
    return _acts(record, lambda _, act: replace(act, what="not-bitten") if act.what == "bitten" else act)


def not_healed(record: Record) -> Record:
    """No step was seen to heal; the last word of some is that they are stuck."""

    def one(number: int, act: Event) -> Event | None:
        return act if act.what != "healed" else replace(act, what="stuck") if number % 2 else None

    return _acts(record, one)


def lost(record: Record) -> Record:
    """Each step was found missing a second before its revert."""
    found: list[Event] = []
    for event in record.history.events:
        if event.kind == "act" and event.what == "reverting":
            seen = {"seen_s": event.at_s - 5.0, "evidence": "gone"}
            found.append(replace(event, at_s=event.at_s - 1.0, what="lost", detail=seen))
        found.append(event)
    return _events(record, found)


def without_reach(record: Record) -> Record:
    """An older record, which does not say what a step concerned but for its carriers."""

    def one(_: int, act: Event) -> Event:
        return replace(act, detail={key: value for key, value in act.detail.items() if key != "reach"})

    return _acts(watched(record), one)


def _steps(record: Record, changed: Callable[[int, Step], Step]) -> Record:
    schedule = record.header.experiment.schedule
    return _of(record, schedule=tuple(changed(number, step) for number, step in enumerate(schedule)))


def harmless_steps_that_hurt(record: Record) -> Record:
    """All steps are declared to have no effect, and two cohorts fail."""
    return _steps(outage(record), lambda _, step: step.model_copy(update={"bite": "none-expected"}))


def unmet_steps(record: Record) -> Record:
    """No request is expected to need what is broken."""
    return _steps(record, lambda _, step: step.model_copy(update={"exposure": "none-expected", "exposure_reason": "told"}))


def mitigations_alone(record: Record) -> Record:
    """No step is a fault."""
    return _steps(outage(record), lambda _, step: step.model_copy(update={"role": "mitigation"}))


def _posture(record: Record, **changes: Any) -> Record:
    experiment = record.header.experiment
    name = record.header.posture
    told: Posture = experiment.postures[name].model_copy(update=changes)
    return _of(record, postures={**experiment.postures, name: told})


def _names(record: Record) -> tuple[str, ...]:
    return tuple(step.name for step in record.header.experiment.schedule)


def defended(record: Record) -> Record:
    """Every step was refused, of which the posture declares the first."""
    names = _names(record)
    changed = _acts(
        record,
        lambda _, act: (
            replace(act, what="defended") if act.what == "applied" else act if act.what in ("planned", "intended") else None
        ),
    )
    return _posture(changed, defends=names[:1], expect="breach")


def declared_to_defend(record: Record) -> Record:
    """The posture declares refusals that did not come, and skips a step that was tried."""
    names = _names(record)
    return _posture(record, defends=names[:1], skips=names[1:])


def skipped(record: Record) -> Record:
    """Every step was skipped, which the posture declares of the first."""
    changed = _acts(record, lambda _, act: replace(act, what="skipped") if act.what == "planned" else None)
    return _posture(changed, skips=_names(record)[:1])


def never_tried(record: Record) -> Record:
    """No step of the schedule was reached."""
    return _acts(outage(record), lambda *_: None)


# The load, gates, and what stands beside


def short_of_processor(record: Record) -> Record:
    """Gauges of a generator in trouble, beyond every limit."""
    return replace(record, gauges={"cpu_share": 0.97, "lag_p99_ms": 120.0, "planned": 900.0, "issued": 450.0})


def at_the_limits(record: Record) -> Record:
    """Gauges exactly at their limits, which keep them."""
    gates = record.header.experiment.gates
    gauges = {"cpu_share": gates.generator_cpu, "lag_p99_ms": gates.lag_p99_s * 1000}
    return replace(record, gauges={**gauges, "planned": 100.0, "issued": 99.0})


def unmeasured(record: Record) -> Record:
    """A load without gauges, with problems told twice."""
    events = [event for event in record.history.events if event.kind != "load"]
    problems = [Event(_times(record)[1], "load", "problem", name) for name in ("lost", "lost", "slow")]
    return _events(record, [*events, *problems])


def gates_of_the_run(record: Record) -> Record:
    """The run itself recorded gates that failed, one as unsafe, and one under a name of the judge's."""
    at_s = _times(record)[2]
    told: Mapping[str, Mapping[str, Any]] = {
        "protection": {"passed": False, "reason": "the guardian died", "severity": "harness-error"},
        "clean-teardown": {"passed": False, "reason": "it stands", "severity": "unsafe"},
        "bite": {"passed": True, "reason": "told to pass"},
        "samples": {"reason": "told without a word of passing"},
        "foreign": {"passed": True},
    }
    return _events(record, [*record.history.events, *(Event(at_s, "gate", name, "", said) for name, said in told.items())])


def on_a_fast_clock(record: Record) -> Record:
    """In processes, at a rate that ends faults before a client gives up."""
    return _header(outage(record), world="processes", clock_rate=40.0)


def on_a_clock_at_the_limit(record: Record) -> Record:
    """In processes, at a rate at which requests that left a second late are late or not."""
    return _header(late(record), world="processes", clock_rate=10.0)


def surely(record: Record) -> Record:
    """At a confidence of 99.9 %."""
    seen = outage(record)
    return _of(seen, gates=seen.header.experiment.gates.model_copy(update={"confidence": 0.999}))


def loosely(record: Record) -> Record:
    """Objectives that are kept with half of the requests bad."""
    seen = scattered(record)
    return _of(seen, slos=(_slo("half", ALL, 0.5, None), _slo("few", ALL, 0.1, 1.0, "baseline"), _slo("most", ALL, 0.75, 1.0)))


def kept(record: Record, tested: int) -> Record:
    """Objectives that are kept, one step of role fault, and of no other an effect expected that was not seen."""
    first = Selector(cohorts=_cohorts(record)[:1])
    slos = (
        _slo("half", ALL, 0.5, None),
        _slo("first", first, 0.3, 1.0),
        _slo("most", ALL, 0.6, 1.0, "baseline", "fault"),
        _slo("late", ALL, 0.7, 1.0, "recovery"),
    )
    bitten = {event.subject for event in record.history.events if (event.kind, event.what) == ("act", "bitten")}

    def declared(number: int, step: Step) -> Step:
        bite = "required" if step.name in bitten else "none-expected"
        return step.model_copy(update={"role": "fault" if number == tested else "operation", "bite": bite})

    return _steps(_of(record, slos=slos), declared)


def expected_breach(record: Record) -> Record:
    """The command expected a breach."""
    return _header(scattered(record), expected="breach")


def with_canaries(record: Record) -> Record:
    """Attempts of real SDKs, at the borders of phases too."""
    windows = phase_windows(record.header.experiment.timeline)
    attempts = []
    for number, at_s in enumerate([window.start_s + extra for window in windows for extra in (0.0, 1.0)] + [windows[-1].end_s]):
        ok, open_ = number % 2 == 0, number % 5 == 1
        machine = "" if number % 3 == 2 else "web-1"
        error = "" if ok else ("Timeout", "Refused")[number % 4 // 2]
        attempts.append(Attempt("sync", machine, number % 4 == 0, at_s, at_s + 2, 0.5 + number, ok, open_, error, "", "token"))
    return replace(record, attempts=tuple(attempts))


def of_an_application(record: Record) -> Record:
    """The first cohort's clients are those of an application, whose calls took the ways of the others."""
    seen = outage(record)
    first = _cohorts(record)[0]
    cohorts = tuple(
        Cohort(name=first, model="http", region=cohort.region, rate_per_s=cohort.rate_per_s) if cohort.name == first else cohort
        for cohort in seen.header.experiment.load.cohorts
    )
    subject = Subject.model_validate(
        {"command": ["{python}", "app.py"], "ready": "http://127.0.0.1:{port}/", "env_of": "web-1"}
    )
    calls = [
        Event(one.intended_s, "subject", "calls", "", {"trails": {one.trail: 1, "no;trail": 2}})
        for one in record.history.requests[::3]
        if one.cohort != first
    ]
    ends = [
        Event(_times(record)[2], "gate", "subject", "", {"passed": False, "reason": "it ended with 1"}),
        Event(_times(record)[3], "subject", "over", "", {"dropped_bytes": 5}),
    ]
    load = seen.header.experiment.load.model_copy(update={"cohorts": cohorts})
    return _events(_of(seen, load=load, subject=subject), [*calls, *seen.history.events, *ends])


# What nodes say of themselves


def _looks(record: Record, changed: Callable[[int, Event], Event | None]) -> Record:
    number, found = 0, []
    for event in record.history.events:
        other: Event | None = event
        if event.kind == "look" and event.what == "state":
            number, other = number + 1, changed(number, event)
        if other is not None:
            found.append(other)
    return _events(record, found)


def seldom_looked_at(record: Record) -> Record:
    """Every third look alone was recorded."""
    return _looks(record, lambda number, look: look if number % 3 == 0 else None)


def behind(record: Record) -> Record:
    """Nodes hold versions of two looks ago."""
    before: list[Any] = []

    def one(_: int, look: Event) -> Event:
        before.append(look.detail.get("held", {}))
        return replace(look, detail={**look.detail, "held": before[max(0, len(before) - 3)]})

    return _looks(record, one)


def going_back(record: Record) -> Record:
    """Nodes show an older version in every fourth look, and lose the keys that they accept in every fifth."""

    def one(number: int, look: Event) -> Event:
        detail = dict(look.detail)
        if number % 4 == 0:
            held = detail.get("held", {})
            detail["held"] = {node: {what: version - 1 for what, version in mine.items()} for node, mine in held.items()}
        if number % 5 == 0:
            detail["accepted_keys"] = {node: [] for node in detail.get("accepted_keys", {})}
        return replace(look, detail=detail)

    return _looks(record, one)


def with_credentials_of_others(record: Record) -> Record:
    """Requests show the credentials of those two before them."""
    every = record.history.requests
    found = [one._replace(credentials=every[max(0, n - 2)].credentials) for n, one in enumerate(every)]
    return _requests(record, found)


def with_late_credentials(record: Record) -> Record:
    """Requests are made four minutes after they were, with the credentials that they had."""
    moved = (
        one._replace(intended_s=one.intended_s + 240, sent_s=one.sent_s + 240, done_s=one.done_s + 240)
        for one in record.history.requests
    )
    return _requests(record, moved)


TWISTS: Mapping[str, Twist] = {
    twist.__name__.replace("_", "-"): twist
    for twist in (
        watched,
        outage,
        outage_that_stays,
        two_outages,
        scattered,
        unsteady,
        slow,
        late,
        none_logged,
        baseline_alone,
        at_borders,
        cut_off,
        aborted,
        stopped_early,
        not_bitten,
        not_healed,
        lost,
        without_reach,
        harmless_steps_that_hurt,
        unmet_steps,
        mitigations_alone,
        defended,
        declared_to_defend,
        skipped,
        never_tried,
        short_of_processor,
        at_the_limits,
        unmeasured,
        gates_of_the_run,
        on_a_fast_clock,
        on_a_clock_at_the_limit,
        surely,
        loosely,
        expected_breach,
        with_canaries,
        of_an_application,
        seldom_looked_at,
        behind,
        going_back,
        with_credentials_of_others,
        with_late_credentials,
    )
}

# Those that end in a pass, each with its recordings.
OF_SOME: Mapping[str, tuple[Twist, tuple[str, ...]]] = {
    f"kept-with-step-{tested}": (partial(kept, tested=tested), names)
    for tested, names in enumerate(
        (
            ("build-rolled-out", "iam-behind", "replication-paused", "surge-and-key-switch", "zone-failover"),
            ("surge-and-key-switch", "iam-behind"),
            ("iam-behind", "zone-kill"),
            ("iam-behind",),
            ("iam-behind",),
        )
    )
}
