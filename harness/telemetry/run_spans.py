"""A run as spans: the run, its phases, and its steps, with what happened to each fault as events of its step's span.

This is the translation alone; `telemetry/otlp.py` makes OpenTelemetry's spans of it. A step's span lies in the phase where it
began and may outlast it. In a live world times are those of the wall clock, in the simulation emulated ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from brownout.harness.judge.run_folder import RunHeader
from brownout.harness.record.history import Event
from brownout.harness.record.result import Result

AttributeValue = str | bool | int | float
TEXT_MAX = 1000  # characters of an attribute
OVER = frozenset({"healed", "defended"})
FAILED = frozenset({"failed", "stuck", "absent", "lost"})
TOLD = {("load", "problem"): "brownout.load.problem", ("canary", "problem"): "brownout.canary.problem"}
BAD = frozenset({"breach", "harness-error", "unsafe"})
_OF_STEP = ("evidence", "describe", "before", "unchanged")


class OpenSpan(Protocol):
    """A span that has begun. Times are nanoseconds since 1970."""

    def event(self, name: str, at_ns: int, attributes: Mapping[str, AttributeValue]) -> None: ...
    def note(self, attributes: Mapping[str, AttributeValue]) -> None: ...
    def judge(self, status: Literal["ok", "error"], why: str = "") -> None: ...
    def end(self, at_ns: int) -> None: ...


Begin = Callable[[str, OpenSpan | None, int, Mapping[str, AttributeValue]], OpenSpan]


class RunSpans:
    """Makes the spans of one run by `begin(name, parent, at_ns, attributes)`; after `end` every one has ended."""

    def __init__(self, header: RunHeader, begin: Begin, now_ns: Callable[[], int]) -> None:
        self._begin, self._now_ns = begin, now_ns
        self._last_ns = 0
        self._run = begin(f"run {header.experiment.name}", None, self._at(), _about(header))
        self._phase: OpenSpan | None = None
        self._steps: dict[str, OpenSpan] = {}

    def event(self, event: Event) -> None:
        """Takes an event of the history, in its order."""
        at_ns = self._at()
        match event.kind:
            case "phase":
                self._end_phase(at_ns)
                self._phase = self._begin(f"phase {event.what}", self._run, at_ns, {"brownout.phase.name": event.what})
            case "act":
                self._act(event, at_ns)
            case "gate":
                gate: dict[str, AttributeValue] = {
                    "brownout.gate.name": event.what,
                    "brownout.gate.passed": bool(event.detail["passed"]),
                }
                self._run.event("brownout.gate", at_ns, gate | _texts(event.detail, "brownout.gate.", ("reason",)))
            case "run":
                why = _texts(event.detail, "brownout.run.", ("reason", "hint"))
                self._run.event(f"brownout.run.{event.what}", at_ns, why)
            case kind if (kind, event.what) in TOLD:
                self._run.event(TOLD[kind, event.what], at_ns, _texts(event.detail, "brownout.", ("text",)))

    def end(self, result: Result | None) -> None:
        """Ends what is open; `result` says how the run's span came out."""
        at_ns = self._at()
        for step in self._steps.values():
            step.end(at_ns)
        self._steps.clear()
        self._end_phase(at_ns)
        if result is not None:
            self._conclude(result, at_ns)
        self._run.end(at_ns)

    def _conclude(self, result: Result, at_ns: int) -> None:
        self._run.note({"brownout.run.verdict": result.verdict, "brownout.run.exit_code": result.exit_code})
        for slo in result.slos:
            told = {"brownout.objective.name": slo.name, "brownout.objective.status": slo.status}
            share = {} if slo.ratio is None else {"brownout.objective.good_ratio": slo.ratio}
            self._run.event("brownout.objective", at_ns, {**told, **share, "brownout.objective.target_ratio": slo.target})
        if result.verdict in BAD:
            self._run.judge("error", "; ".join(result.reasons)[:TEXT_MAX] or result.verdict)
        elif result.verdict == "pass":
            self._run.judge("ok")

    def _act(self, event: Event, at_ns: int) -> None:
        """A step's life: its first event begins its span, the last ends it."""
        span = self._steps.get(event.subject)
        if span is None:
            about = {"brownout.step.name": event.subject} | _texts(event.detail, "brownout.step.", ("role",))
            about |= _texts(event.detail, "brownout.fault.", ("describe",))
            about |= {"brownout.fault.kind": str(event.detail.get("fault", ""))}
            span = self._begin(f"step {event.subject}", self._phase or self._run, at_ns, about)
            self._steps[event.subject] = span
        told = _texts(event.detail, "brownout.fault.", _OF_STEP)
        if carriers := event.detail.get("carriers"):
            span.note({"brownout.fault.targets": ", ".join(map(str, carriers))[:TEXT_MAX]})
        span.event(f"brownout.fault.{event.what}", at_ns, told)
        if event.what in FAILED:
            span.judge("error", f"{event.what}: {event.detail.get('evidence', '')}"[:TEXT_MAX])
        if event.what in OVER or (event.what == "skipped"):
            self._steps.pop(event.subject).end(at_ns)

    def _end_phase(self, at_ns: int) -> None:
        if self._phase is not None:
            self._phase.end(at_ns)
            self._phase = None

    def _at(self) -> int:
        """When it is now; never before the last event, so that no span ends before it begins."""
        self._last_ns = max(self._last_ns, self._now_ns())
        return self._last_ns


def _about(header: RunHeader) -> Mapping[str, AttributeValue]:
    return {
        "brownout.run.experiment": header.experiment.name,
        "brownout.run.title": header.experiment.title[:TEXT_MAX],
        "brownout.run.world": header.world,
        "brownout.run.posture": header.posture,
        "brownout.run.seed": header.seed,
        "brownout.run.clock_rate": header.clock_rate,
        "brownout.run.command": header.command[:TEXT_MAX],
    }


def _texts(detail: Mapping[str, object], prefix: str, names: tuple[str, ...]) -> dict[str, AttributeValue]:
    return {f"{prefix}{name}": str(detail[name])[:TEXT_MAX] for name in names if detail.get(name)}
