"""A run's events become spans that nest as the run did, and every one ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import pytest

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.judge.run_folder import RunHeader, read_header
from brownout.harness.record.history import Event
from brownout.harness.record.result import Result
from brownout.harness.telemetry.run_spans import AttributeValue, OpenSpan, RunSpans
from support.small_day import small_day


@dataclass
class Noted:
    """A span that notes what is done to it."""

    name: str
    parent: OpenSpan | None
    began_ns: int
    attributes: dict[str, AttributeValue]
    events: list[tuple[str, int, Mapping[str, AttributeValue]]] = field(default_factory=list)
    status: tuple[str, str] = ("", "")
    ended_ns: int | None = None

    def event(self, name: str, at_ns: int, attributes: Mapping[str, AttributeValue]) -> None:
        assert self.ended_ns is None, "an event of a span that is over is lost"
        self.events.append((name, at_ns, attributes))

    def note(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.attributes |= attributes

    def judge(self, status: Literal["ok", "error"], why: str = "") -> None:
        self.status = (status, why)

    def end(self, at_ns: int) -> None:
        assert self.ended_ns is None, "ended twice"
        self.ended_ns = at_ns


class Trace:
    """All spans of a run, at one nanosecond a step."""

    def __init__(self, header: RunHeader) -> None:
        self.made: list[Noted] = []
        ticks = count(100)
        self.spans = RunSpans(header, self._begin, lambda: next(ticks))

    def _begin(self, name: str, parent: OpenSpan | None, at_ns: int, attributes: Mapping[str, AttributeValue]) -> OpenSpan:
        self.made.append(Noted(name, parent, at_ns, dict(attributes)))
        return self.made[-1]

    def named(self, name: str) -> Noted:
        (one,) = (span for span in self.made if span.name == name)
        return one


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunHeader, Result]:
    """The header and result of a run that ended well."""
    quiet = small_day({"name": "warm", "rate_per_s": 0.02, "machines": ["web"]}, schedule=[], gates={"steady_state": False})
    outcome = carry_out(prepare(quiet, Options(out=tmp_path_factory.mktemp("runs"))))
    return read_header(outcome.folder), outcome.result


@pytest.fixture
def trace(sample: tuple[RunHeader, Result]) -> Trace:
    return Trace(sample[0])


def act(what: str, step: str = "cut", **detail: object) -> Event:
    return Event(1.0, "act", what, step, {"role": "fault", "fault": "link-refuse", **detail})


def test_a_step_lies_in_the_phase_in_which_it_began_and_may_outlast_it(trace: Trace) -> None:
    """Its events are what happened to its fault, and it ends when it is healed."""
    for event in (
        Event(1.0, "phase", "onset"),
        act("planned", describe="a link is cut"),
        act("applied", carriers=["link:a->b"]),
    ):
        trace.spans.event(event)
    for event in (act("bitten", evidence="refused"), Event(2.0, "phase", "heal"), act("released"), act("healed")):
        trace.spans.event(event)
    step, onset, run = trace.named("step cut"), trace.named("phase onset"), trace.named("run small")
    assert (step.parent, onset.parent, run.parent) == (onset, run, None)
    assert [name for name, _, _ in step.events] == [
        f"brownout.fault.{what}" for what in ("planned", "applied", "bitten", "released", "healed")
    ]
    assert step.attributes["brownout.fault.targets"] == "link:a->b"
    assert onset.ended_ns is not None
    assert step.ended_ns is not None
    assert onset.ended_ns < step.ended_ns


@pytest.mark.parametrize("what", ["absent", "lost", "failed", "stuck"])
def test_a_step_that_did_not_do_its_work_is_an_error(trace: Trace, what: str) -> None:
    """With the evidence as its description."""
    trace.spans.event(act("planned"))
    trace.spans.event(act(what, evidence="nobody answered"))
    assert trace.named("step cut").status == ("error", f"{what}: nobody answered")


def test_what_is_open_at_the_end_ends_with_the_run(trace: Trace) -> None:
    """A stuck fault and the last phase; a run without a result is not judged."""
    for event in (Event(1.0, "phase", "fault"), act("planned"), act("stuck")):
        trace.spans.event(event)
    trace.spans.end(None)
    assert all(span.ended_ns is not None for span in trace.made)
    assert trace.named("run small").status == ("", "")


def test_a_step_that_is_skipped_ends_at_once(trace: Trace) -> None:
    """And one of the same name later is another span."""
    for event in (act("skipped", evidence="no reason for it"), act("planned"), act("healed")):
        trace.spans.event(event)
    assert [span.name for span in trace.made] == ["run small", "step cut", "step cut"]
    assert all(span.ended_ns is not None for span in trace.made[1:])


@pytest.mark.parametrize(
    ("verdict", "status"), [("pass", "ok"), ("breach", "error"), ("inconclusive", ""), ("unsafe", "error")]
)
def test_the_run_tells_its_verdict(sample: tuple[RunHeader, Result], trace: Trace, verdict: str, status: str) -> None:
    """With each objective; only a verdict that can be trusted is a status."""
    trace.spans.end(sample[1].model_copy(update={"verdict": verdict, "reasons": ("because",)}))
    run = trace.named("run small")
    assert run.attributes["brownout.run.verdict"] == verdict
    assert run.status == ((status, "because") if status == "error" else (status, ""))
    (objective,) = (attributes for name, _, attributes in run.events if name == "brownout.objective")
    assert (objective["brownout.objective.name"], objective["brownout.objective.target_ratio"]) == ("s", 0.99)


def test_gates_and_problems_are_events_of_the_run(trace: Trace) -> None:
    """Looks at nodes' state and notes are not: they are large, and the record has them."""
    trace.spans.event(Event(1.0, "gate", "protection", detail={"passed": True, "reason": "whole", "severity": "x"}))
    trace.spans.event(Event(1.0, "load", "problem", detail={"text": "a worker was lost"}))
    trace.spans.event(Event(1.0, "look", "state", detail={"held": {}}))
    trace.spans.event(Event(1.0, "run", "aborted", detail={"reason": "r" * 5000}))
    told = {name: attributes for name, _, attributes in trace.named("run small").events}
    assert told["brownout.gate"] == {
        "brownout.gate.name": "protection",
        "brownout.gate.passed": True,
        "brownout.gate.reason": "whole",
    }
    assert told["brownout.load.problem"] == {"brownout.text": "a worker was lost"}
    assert len(str(told["brownout.run.aborted"]["brownout.run.reason"])) == 1000
    assert len(told) == 3


def test_no_attribute_is_also_a_namespace(trace: Trace) -> None:
    """As OpenTelemetry's naming asks: `a.b` and `a.b.c` cannot both be attributes."""
    for event in (Event(1.0, "phase", "onset"), act("planned", describe="d"), act("applied", carriers=["x"], evidence="e")):
        trace.spans.event(event)
    trace.spans.event(Event(1.0, "gate", "g", detail={"passed": True, "reason": "r"}))
    names = {name for span in trace.made for name in span.attributes}
    names |= {name for span in trace.made for _, _, attributes in span.events for name in attributes}
    assert all(name.startswith("brownout.") for name in names)
    assert not [(one, other) for one in names for other in names if other.startswith(f"{one}.")]


def test_time_never_goes_back(sample: tuple[RunHeader, Result]) -> None:
    """A wall clock that is set back makes no span that ends before it begins."""
    made: list[Noted] = []

    def begin(name: str, parent: OpenSpan | None, at_ns: int, attributes: Mapping[str, AttributeValue]) -> OpenSpan:
        made.append(Noted(name, parent, at_ns, dict(attributes)))
        return made[-1]

    ticks = iter((100, 200, 50, 60))
    spans = RunSpans(sample[0], begin, lambda: next(ticks))
    spans.event(Event(1.0, "phase", "onset"))
    spans.event(Event(1.0, "phase", "fault"))
    spans.end(None)
    assert [(span.began_ns, span.ended_ns) for span in made] == [(100, 200), (200, 200), (200, 200)]
