"""What real, unmodified client libraries met beside the load: counts by phase from the result, a strip over time from the logs.

Canaries are few and slow, so they illustrate and never decide a verdict; the section says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.record.attempts import Attempt, read_attempts
from brownout.harness.record.result import CanaryResult, Result
from brownout.reports.html.sections import section
from brownout.reports.markup import Column, Html, el, table
from brownout.reports.units import clock, count, duration

_LEFT, _WIDTH = 6, 408
_NOTE = (
    "Real client libraries beside the load, unmodified: azure-identity (sync, async) and boto3. Machines have long been there "
    "(warm) or were just created (new). "
    "Attempts take real time, the library’s own retries included; they illustrate the verdict and do not decide it."
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One attempt as it is drawn: on a `warm` machine, a `new` one or `none`. `took_s` is real time."""

    at_s: float
    client: str
    operation: str
    machine: str
    state: str
    took_s: float
    error: str

    @classmethod
    def of(cls, attempt: Attempt) -> Mark:
        state = "unfinished" if attempt.unfinished else "good" if attempt.ok else "failed"
        group = (attempt.client, attempt.operation, attempt.machine_kind)
        return cls(attempt.started_s, *group, state, attempt.wall_s, attempt.error)

    @property
    def group(self) -> tuple[str, str, str]:
        """Attempts of one group share a strip."""
        return self.client, self.operation, self.machine


def read_marks(folder: Path) -> tuple[Mark, ...]:
    """Every attempt logged in a run folder, by time."""
    return tuple(sorted(map(Mark.of, read_attempts(folder)), key=lambda mark: (mark.at_s, mark.client)))


def canaries(result: Result, attempts: Sequence[Mark]) -> Html | None:
    """The section; None where no canary ran."""
    if not result.canaries and not attempts:
        return None
    strips = _strips_table(attempts) if attempts else None
    phases = _phases_table(result) if result.canaries else None
    return section("canaries", "Canaries: real client libraries", el("p", _NOTE, class_="note"), strips, phases)


def _strips_table(attempts: Sequence[Mark]) -> Html:
    span = f"{clock(attempts[0].at_s)} – {clock(attempts[-1].at_s)}"
    columns = (
        Column("Client, operation, machine"),
        Column("Attempts", "number"),
        Column("Good", "number"),
        Column("Longest", "number"),
        Column(f"Over time, {span}"),
    )
    groups = sorted({attempt.group for attempt in attempts})
    rows = [_strip_row(group, [a for a in attempts if a.group == group], attempts) for group in groups]
    return table("Canaries over time", columns, rows)


def _strip_row(group: tuple[str, str, str], mine: Sequence[Mark], marks: Sequence[Mark]) -> Sequence[object]:
    good = sum(attempt.state == "good" for attempt in mine)
    start_s, span_s = marks[0].at_s, max(marks[-1].at_s - marks[0].at_s, 1e-9)
    label = f"{good} of {len(mine)} attempts good"
    size: dict[str, str | int] = {"viewBox": "0 0 420 20", "width": 420, "height": 20}
    strip = el("svg", *_dots(mine, start_s, span_s), **size, class_="strip", role="img", aria_label=label)
    return " · ".join(group), count(len(mine)), count(good), duration(max(a.took_s for a in mine)), strip


def _dots(attempts: Sequence[Mark], start_s: float, span_s: float) -> Iterator[Html]:
    """A dot for each good attempt, a cross for a failed one, a ring for an attempt that the end of the run interrupted."""
    for attempt in attempts:
        x = round(_LEFT + _WIDTH * (attempt.at_s - start_s) / span_s, 1)
        title = el("title", f"{clock(attempt.at_s)} {attempt.state} after {duration(attempt.took_s)} {attempt.error}")
        if attempt.state == "failed":
            yield el("path", title, d=f"M{x - 4:.1f} 6l8 8M{x + 4:.1f} 6l-8 8", class_="bad")
        else:
            yield el("circle", title, cx=x, cy=10, r=3.5, class_="good" if attempt.state == "good" else "ring")


def _phases_table(result: Result) -> Html:
    columns = (
        Column("Client"),
        Column("Operation"),
        Column("Machine"),
        Column("Phase"),
        Column("Attempts", "number"),
        Column("Failed", "number"),
        Column("Unfinished", "number"),
        Column("Longest", "number"),
        Column("Errors", "prose wide"),
    )
    content = table("Canaries by client, operation, machine and phase", columns, [_phase_row(row) for row in result.canaries])
    return el("details", el("summary", "Phase by phase"), content)


def _phase_row(row: CanaryResult) -> Sequence[object]:
    errors = ", ".join(f"{name} ×{number}" for name, number in row.errors.items())
    counts = (row.attempts, row.failed, row.unfinished)
    return row.client, row.operation, row.machine, row.phase, *counts, duration(row.longest_s), errors or "–"
