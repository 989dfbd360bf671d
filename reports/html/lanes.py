"""The rows of the top chart, as data: the steps of the schedule and the impact over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brownout.harness.record.result import Result, StepResult
from brownout.reports import story
from brownout.reports.buckets import RequestSlices
from brownout.reports.units import clock

_ROLE_COLOURS = {"fault": "bad", "mitigation": "act", "operation": "soft"}


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: a bar from start to end, or a point where both are equal."""

    label: str
    hint: str
    start_s: float
    end_s: float
    colour: str


def lanes(result: Result, lines: RequestSlices) -> tuple[Lane, ...]:
    """All rows under that of the phases, by the time at which they start."""
    found = [*_step_lanes(result, lines), *_outcome_lanes(result, lines)]
    return tuple(sorted(found, key=lambda lane: lane.start_s))


def _step_lanes(result: Result, lines: RequestSlices) -> Iterator[Lane]:
    for number, step in enumerate(result.steps, 1):
        span = story.step_span(step, lines.end_s)
        colour = _ROLE_COLOURS.get(step.role, "soft")
        if span is not None:
            yield Lane(f"{number} {step.name}", _hint(step), span.start_s, span.end_s, colour)
        elif step.state == "defended":
            yield Lane(f"{number} {step.name}: refused by the system", _hint(step), step.at_s, step.at_s, "good")


def _hint(step: StepResult) -> str:
    return f"{step.role}, {clock(step.applied_s or step.at_s)}: {step.describe}"


def _outcome_lanes(result: Result, lines: RequestSlices) -> Iterator[Lane]:
    failing = story.impact(result, lines.end_s)
    if failing is not None:
        until = clock(result.times.impact_end_s)
        yield Lane(
            failing.label, f"requests failing, {clock(failing.start_s)} – {until}", failing.start_s, failing.end_s, "bad"
        )
    for moment in story.moments(result):
        colour = "good" if moment.kind == "recover" else "ink"
        yield Lane(moment.label, f"{moment.label}, {clock(moment.at_s, seconds=True)}", moment.at_s, moment.at_s, colour)


def lane_names(result: Result, lines: RequestSlices) -> str:
    """The rows in words, for readers that do not see the picture."""
    return "; ".join(lane.hint for lane in lanes(result, lines))
