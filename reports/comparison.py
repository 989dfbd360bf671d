"""A comparison of two sides as a table in the terminal."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

from brownout.harness.record.comparison import ComparedRow, ComparisonResult
from brownout.reports.terminal import console_on, safe, status_text, titled_table
from brownout.reports.units import duration, percent

_SCOPES = {"system": "about the system", "runs": "about these runs"}


def render(found: ComparisonResult, stream: TextIO) -> None:
    """Writes the comparison: its verdict, a row for each figure, and what to know about it (entry point)."""
    console = console_on(stream)
    _print_verdict(found, console)
    table = titled_table(
        f"Figures, with bounds that hold together at {percent(found.confidence, digits=0)}",
        "figure", "verdict", ">before", ">after", ">worse by", ">margin",
    )  # fmt: skip
    for row in found.rows:
        if row.verdict != "not comparable":
            table.add_row(safe(row.name), status_text(row.verdict), *_cells(row))
    if table.row_count:
        console.print(table)
    for row in found.rows:
        if row.verdict == "not comparable":
            console.print(status_text(row.verdict).append_text(safe(f" {row.name}: {row.reason}", "default")))
    for line in (*found.before.excluded, *found.after.excluded):
        console.print(safe(f"Does not count: {line}"))
    for note in found.notes:
        console.print(safe(note))


def _print_verdict(found: ComparisonResult, console: Console) -> None:
    console.print()
    console.print(status_text(found.verdict).append_text(safe(f" ({_SCOPES[found.scope]})", "default")))
    for reason in found.reasons:
        console.print(safe(f"  {reason}"))
    console.print()
    for name, side in (("BEFORE", found.before), ("AFTER", found.after)):
        runs = f"{side.episodes} of {len(side.folders)} runs count" if side.excluded else f"runs: {side.episodes}"
        console.print(safe(f"{name:<6} posture {side.posture}, world {side.world}, {runs}"))
    console.print()


def _cells(row: ComparedRow) -> tuple[str, ...]:
    """Good shares with the change of the bad one in percentage points, or times with their change: above zero is worse."""
    assert row.low is not None, row
    assert row.high is not None, row
    assert row.allowed is not None, row
    if row.kind == "time":
        between = f"{_signed_time(row.low)} to {_signed_time(row.high)}"
        return duration(row.before), duration(row.after), between, _signed_time(row.allowed)
    good = (percent(None if value is None else 1 - value, digits=2) for value in (row.before, row.after))
    return (*good, f"{_points(row.low)} to {_points(row.high)} points", _points(row.allowed))


def _points(value: float) -> str:
    return f"{value * 100:+.3g}".replace("-", "−")


def _signed_time(value: float) -> str:
    return f"+{duration(value)}" if value > 0 else duration(value)
