"""From a run's record to its Result, by pure functions: the same folder gives the same result, at once or a year later.

A run that was killed leaves a record that ends too early. It is judged like any other, with one more gate that failed
(`finished`), so its verdict is inconclusive, harness-error when the harness itself gave up (`aborted`), or unsafe when
the record says that a fault is stuck; never pass or breach.
`alerts` of the result are emulated epoch seconds at which each alert first fired, None when it did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.experiment.plugins import ClaimSet, ControlRecords
from brownout.harness.judge import gates, step_gates
from brownout.harness.judge.alerts import firings, first_firing_s
from brownout.harness.judge.canaries import canary_rows
from brownout.harness.judge.doubtful import Doubtful, doubtful, planned_total
from brownout.harness.judge.exposure import exposures
from brownout.harness.judge.gates import LoadRecord
from brownout.harness.judge.invariants.table import invariant_results, violated_invariants
from brownout.harness.judge.phases import phase_results
from brownout.harness.judge.run_folder import Record, RunHeader, read_record, read_result, write_claims, write_result
from brownout.harness.judge.selection import good_rule
from brownout.harness.judge.steps import lives, step_results
from brownout.harness.judge.subject.facts import application_first, of_the_service, subject_result, with_end
from brownout.harness.judge.surprises import surprises
from brownout.harness.judge.times import Span, times, watch
from brownout.harness.judge.verdict import judge_slos, overall
from brownout.harness.record.history import Event, History
from brownout.harness.record.result import (
    EXIT_CODES,
    ClaimResult,
    GateResult,
    InvariantResult,
    Result,
    Severity,
    SloResult,
    StepResult,
)
from brownout.harness.record.verdicts import Verdict
from brownout.harness.worlds.catalog import SIMULATION

__all__ = ["RunHeader", "evaluate", "evaluate_record", "exit_code", "write_result"]

Controls = Callable[[], ControlRecords]
_EARLY_ENDS = {
    "aborted": "was aborted",
    "interrupted": "was interrupted",
    "stopped": "was stopped",
    "not-steady": "was stopped",
}
_UNHEALTHY = "its objectives were not met there, so it went no further"


def evaluate(
    folder: Path,
    *,
    claims: ClaimSet | None = None,
    controls: Controls = dict,
    wall_s: float | None = None,
) -> Result:
    """The Result of a run folder; writes nothing but `claims.json`, and that only when `claims` were checked.

    With `claims` a finished run's claims are checked against the `controls`, which are asked for once all else is evaluated;
    without, those stored in the folder are used again. A history that is not the one of the earlier result of a finished run
    fails the gate `record`, and the digest stays that of the history that was judged first. `wall_s` is the real time that the
    run took; when None it is the one of the earlier result, else estimated from the files. Raises UsageError when the folder
    is not a run's.
    """
    record = read_record(folder)
    took_s = _wall_s(folder, record.header) if wall_s is None else wall_s
    result = _compared(evaluate_record(record, wall_s=took_s), read_result(folder))
    if claims is None or not result.finished:
        return result
    checked, result = _check(claims, record.history, result, controls())
    write_claims(folder, checked)
    return result


def evaluate_record(record: Record, *, wall_s: float = 0.0) -> Result:
    """The Result of a record, with the claims that the record holds."""
    header, history = record.header, record.history
    experiment = header.experiment
    posture = experiment.postures[header.posture]
    windows = phase_windows(experiment.timeline)
    is_good, span, doubts = good_rule(experiment), _span(record), _doubts(record)
    # A stall of the generator is no outage, no effect of a step, and nothing to be detected.
    ignored = doubts.logged(history.requests, is_good)
    telling = tuple(one for one in history.requests if one.id not in ignored) if ignored else history.requests
    on = {name: firings(alert, telling, is_good) for name, alert in experiment.alerts.items()}
    quiet = replace(windows[0], end_s=span.fault_s)
    watches = [
        watch(alert, telling, is_good, baseline=quiet, confidence=experiment.gates.confidence)
        for alert in experiment.alerts.values()
    ]
    steps = step_results(experiment, History(history.events, telling))
    slos = judge_slos(experiment, history, doubts, steps=steps, end_s=span.end_s)
    subject = subject_result(experiment, history.events)
    slos, steps = _exposed(experiment, history, application_first(subject, slos), steps)
    found_gates, invariants = _gates(record, slos, steps), invariant_results(of_the_service(subject, history))
    verdict, reasons = with_end(subject, *overall(slos, found_gates, steps, invariants))
    return Result(
        experiment=experiment.name,
        title=experiment.title,
        description=experiment.description,
        world=header.world,
        posture=header.posture,
        posture_description=posture.description,
        seed=header.seed,
        versions=header.versions,
        clock_rate=header.clock_rate,
        started_at=header.started_at,
        finished=is_finished(history),
        verdict=verdict,
        reasons=reasons,
        exit_code=exit_code(verdict, header.expected, posture.expect),
        expected=header.expected,
        posture_expects=posture.expect,
        digest=record.digest,
        slos=slos,
        gates=found_gates,
        phases=phase_results(history.requests, windows, is_good, ignored=ignored),
        steps=steps,
        claims=record.claims,
        times=times(
            watches, on, telling, is_good, span=span, judged=[slo.indicator.ratioMetric.total for slo in experiment.slos]
        ),
        alerts={name: first_firing_s(found, after_s=span.fault_s) for name, found in on.items()},
        calibrated=experiment.calibrated,
        parameters=header.parameters,
        canaries=canary_rows(record.attempts, windows),
        invariants=invariants,
        command=header.command,
        wall_s=wall_s,
        subject=subject,
    )


@dataclass(frozen=True, slots=True)
class Failures:
    """What did not hold in a run: as its Result has it, but for exposures and what an objective was within faults.

    `steps` are all of them. Gates that make a run inconclusive and no more are not here.
    """

    invariants: tuple[InvariantResult, ...]
    slos: tuple[SloResult, ...]
    gates: tuple[GateResult, ...]
    steps: tuple[StepResult, ...]


def failures(record: Record) -> Failures:
    """What `evaluate_record` would find violated, breached or failed, in half the time: for runs that no report is made of."""
    experiment, history = record.header.experiment, record.history
    doubts = _doubts(record)
    ignored = doubts.logged(history.requests, good_rule(experiment))
    telling = tuple(one for one in history.requests if one.id not in ignored) if ignored else history.requests
    steps = step_results(experiment, History(history.events, telling))
    subject = subject_result(experiment, history.events)
    slos = application_first(subject, judge_slos(experiment, history, doubts, end_s=_span(record).end_s))
    return Failures(
        invariants=violated_invariants(of_the_service(subject, history)),
        slos=tuple(slo for slo in slos if slo.status == "breached"),
        gates=tuple(gate for gate in _gates(record, slos, steps) if not gate.passed and gate.severity != "inconclusive"),
        steps=steps,
    )


def _exposed(
    experiment: Experiment, history: History, slos: Iterable[SloResult], steps: Iterable[StepResult]
) -> tuple[tuple[SloResult, ...], tuple[StepResult, ...]]:
    """Objectives and steps with their exposures."""
    found = exposures(experiment, history)
    return (
        tuple(
            slo.model_copy(update={"exposure": at_risk.state, "at_risk": at_risk.requests})
            if (at_risk := found.objectives.get(slo.name)) is not None
            else slo
            for slo in slos
        ),
        tuple(step.model_copy(update={"exposure": found.steps.get(step.name)}) for step in steps),
    )


def exit_code(verdict: Verdict, expected: str, posture_expects: str = "pass") -> int:
    """The process's exit code.

    With an expected verdict: 0 when it came out, 1 when pass or breach came out instead, else the verdict's own. Where none is
    named (`expected` is empty) it is the verdict's own; but a pass under a posture that was to give another verdict is 1,
    because an experiment that cannot go red any more proves nothing.
    """
    if expected and verdict == expected:
        return 0
    if verdict == "pass" and not expected and posture_expects != "pass":
        return 1
    if expected and verdict in ("pass", "breach"):
        return 1
    return EXIT_CODES[verdict]


def is_finished(history: History) -> bool:
    """Whether the record says that the run came to its end, and to no earlier one."""
    said = {event.what for event in history.events if event.kind == "run"}
    return "finished" in said and not said & _EARLY_ENDS.keys()


def _check(
    claims: ClaimSet, history: History, result: Result, controls: ControlRecords
) -> tuple[tuple[ClaimResult, ...], Result]:
    """The claims as they were checked, and the result with them. A check that crashes is a gate that failed."""
    try:
        checked = claims(history, result, controls)
    except Exception as error:  # a broken check must not lose the run's record: it becomes a harness error
        reason = f"the check of the claims crashed: {type(error).__name__}: {error}"
        gate = GateResult(name="claims", passed=False, reason=reason, severity="harness-error")
        return (), _with_gate(result, gate)
    return checked, result.model_copy(update={"claims": checked})


def _compared(result: Result, before: Result | None) -> Result:
    """The result; with a failed gate when the run had finished and been judged, and its history has been changed since.

    The digest stays that of the history judged first: a report made again must not make the changed one the right one.
    """
    if before is None or before.digest in ("", result.digest) or not result.finished:
        return result  # what was cut short, or aborted after it had been judged, fails gate finished
    if not (before.finished or any(gate.name == "record" for gate in before.gates)):
        return result  # of a killed run, whose logs may have been written to until its last process ended
    reason = "events.jsonl or requests*.jsonl is not what was judged when the run had ended; restore the run folder"
    changed = _with_gate(result, GateResult(name="record", passed=False, reason=reason))
    return changed.model_copy(update={"digest": before.digest})


def _with_gate(result: Result, gate: GateResult) -> Result:
    all_gates = (*result.gates, gate)
    verdict, reasons = overall(result.slos, all_gates, result.steps, result.invariants)
    code = exit_code(verdict, result.expected, result.posture_expects or "pass")
    return result.model_copy(
        update={"gates": all_gates, "verdict": verdict, "reasons": reasons, "exit_code": code, "claims": ()}
    )


def _gates(record: Record, slos: tuple[SloResult, ...], steps: tuple[StepResult, ...]) -> tuple[GateResult, ...]:
    """All gates: those computed from the record and those that the run recorded. Of two with one name a failed one counts."""
    experiment, history = record.header.experiment, record.history
    posture = experiment.postures[record.header.posture]
    known, load = lives(history.events), _load_record(record)
    found = [
        _finished(history),
        gates.generator_lag(experiment.gates, load),
        gates.issued_share(experiment.gates, load),
        gates.generator_cpu(experiment.gates, load),
        gates.load_problems(load),
        step_gates.bite(experiment, posture, steps, surprises=surprises(experiment, history)),
        step_gates.exposure(experiment.schedule, steps),
        gates.samples(experiment, slos),
        gates.acts(known),
        gates.healed(known),
    ]
    if experiment.gates.steady_state:
        baseline = phase_windows(experiment.timeline)[0]
        found.append(gates.steady_state(experiment, history.requests, baseline=baseline))
    # In the simulation network time is emulated time, whatever the file has for its rate.
    rate = 1.0 if record.header.world == SIMULATION else record.header.clock_rate
    if too_fast := step_gates.clock_rate(experiment, steps, rate, end_s=_record_end_s(record)):
        found.append(too_fast)
    by_name = {gate.name: gate for gate in found}
    for gate in (_recorded_gate(event) for event in history.events if event.kind == "gate"):
        if gate.name not in by_name or by_name[gate.name].passed:
            by_name[gate.name] = gate
    return tuple(by_name.values())


def _recorded_gate(event: Event) -> GateResult:
    return GateResult(
        name=event.what,
        passed=bool(event.detail.get("passed", False)),
        reason=str(event.detail.get("reason", "")),
        severity=event.detail.get("severity", "inconclusive"),
    )


def _finished(history: History) -> GateResult:
    if is_finished(history):
        return GateResult(name="finished", passed=True, reason="the run came to its end")
    reached = next((event.what for event in reversed(history.events) if event.kind == "phase"), "")
    ended = next((event for event in history.events if event.kind == "run" and event.what in _EARLY_ENDS), None)
    how = "was cut off" if ended is None else _EARLY_ENDS[ended.what]
    cause = "" if ended is None else str(ended.detail.get("reason", _UNHEALTHY if ended.what == "not-steady" else ""))
    why = f": {cause}" if cause else ""
    where = f"at {reached}" if reached else "before its first phase"
    severity: Severity = "harness-error" if ended is not None and ended.what == "aborted" else "inconclusive"
    return GateResult(name="finished", passed=False, reason=f"the run {how} {where}{why}", severity=severity)


def _doubts(record: Record) -> Doubtful:
    header, history = record.header, record.history
    return doubtful(
        header.experiment,
        history.requests,
        seed=header.seed,
        clock_rate=header.clock_rate,
        is_finished=is_finished(history),
    )


def _load_record(record: Record) -> LoadRecord:
    events = [event for event in record.history.events if event.kind == "load"]
    last = next((event.detail for event in reversed(events) if event.what == "gauges"), {})
    problems = tuple(dict.fromkeys(_problem_text(event) for event in events if event.what == "problem"))
    gauges = {**last, **record.gauges}
    if is_finished(record.history) and "planned" in gauges:
        # A generator that fell behind knows only of arrivals that it took up; the plan knows all.
        gauges["planned"] = max(gauges["planned"], planned_total(record.header.experiment))
    return LoadRecord(gauges, problems, len(record.history.requests))


def _problem_text(event: Event) -> str:
    return event.subject or "; ".join(map(str, event.detail.values())) or "a problem without a description"


def _span(record: Record) -> Span:
    """The fault begins where the timeline says, or where a step of role fault was applied before that."""
    experiment, windows = record.header.experiment, phase_windows(record.header.experiment.timeline)
    faults = {step.name for step in experiment.schedule if step.role == "fault"}
    applied = (life.first_s("applied") for name, life in lives(record.history.events).items() if name in faults)
    fault_s = min([windows[1].start_s, *(at_s for at_s in applied if at_s is not None)])
    start_s = windows[0].start_s
    return Span(start_s, max(start_s, fault_s), windows[3].start_s, _record_end_s(record))


def _record_end_s(record: Record) -> float:
    """Emulated time at which the record ends: the timeline's end, or the last request or event of an unfinished run."""
    end_s = phase_windows(record.header.experiment.timeline)[-1].end_s
    if is_finished(record.history):
        return end_s
    seen = [event.at_s for event in record.history.events[-1:]]
    seen += [request.intended_s for request in record.history.requests[-1:]]
    return min(end_s, max(seen, default=end_s))


def _wall_s(folder: Path, header: RunHeader) -> float:
    before = read_result(folder)
    if before is not None:
        return before.wall_s
    try:
        written = [path.stat().st_mtime for path in folder.glob("*.jsonl")]
        started = datetime.fromisoformat(header.started_at).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return max(0.0, round(max(written, default=started) - started, 3))
