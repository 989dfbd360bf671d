"""A run in the terminal: its progress (stderr), and its result.

Where the stream is a terminal the progress is one table, redrawn in place at most four times a second. Anywhere else
(a pipe, CI, NO_COLOR, a dumb terminal) it is one plain line per change of phase or active faults, and per message.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from brownout.harness.record.progress import Status
from brownout.harness.record.result import Result, SloResult
from brownout.reports import palette, story
from brownout.reports.units import clock, count, duration, milliseconds, percent, target

_STYLES = {"good": "green", "bad": "bold red", "unsure": "yellow", "plain": "dim"}
_REDRAWS_PER_S = 4
_WIDE = 110
_PLAIN_WIDTH = 100


def progress(stream: TextIO) -> LiveProgress:
    """The progress sink for this stream (entry point)."""
    return LiveProgress(stream)


def summary(result: Result, report: Path | None, stream: TextIO) -> None:
    """The outcome of a run, the report's path last (entry point)."""
    render_result(result, console_on(stream), report)


class _Console(Console):
    """Raises when the reader of the output has closed it; Rich would end the whole process with exit code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console_on(stream: TextIO) -> Console:
    """Colour only where the stream shows it; 100 columns where the width is not known; no symbol may fail to be written."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() else _PLAIN_WIDTH
    return _Console(file=stream, no_color=not _is_live(stream), highlight=False, width=width, emoji=False, markup=False)


def _is_live(stream: TextIO) -> bool:
    quiet = any(os.environ.get(name) for name in ("CI", "NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not quiet


class LiveProgress:
    """Shows each Status; see brownout.harness.record.progress.ProgressSink."""

    def __init__(self, stream: TextIO) -> None:
        self._console = console_on(stream)
        self._seen: tuple[str, tuple[str, ...]] | None = None
        self._message: str | None = None
        self._drawn_s = float("-inf")
        self._live: Live | None = None
        if _is_live(stream):
            self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def update(self, status: Status) -> None:
        self._tell_message(status)
        if self._live is None:
            self._tell_change(status)
        else:
            self._redraw(self._live, status)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()

    def _tell_message(self, status: Status) -> None:
        if status.message and status.message != self._message:
            self._console.print(safe(f"{status.clock}  {status.message}"), soft_wrap=True)
        self._message = status.message

    def _tell_change(self, status: Status) -> None:
        now = (status.phase, status.active)
        if now != self._seen:
            self._seen = now
            self._console.print(safe(plain_line(status)), soft_wrap=True)

    def _redraw(self, live: Live, status: Status) -> None:
        now_s, changed = time.monotonic(), (status.phase, status.active) != self._seen
        if not changed and now_s - self._drawn_s < 1 / _REDRAWS_PER_S:
            return
        self._drawn_s, self._seen = now_s, (status.phase, status.active)
        if not live.is_started:
            live.start()
        live.update(live_view(status), refresh=True)


def plain_line(status: Status) -> str:
    """A status as one line: clock, phase, time, active faults, rate and good shares."""
    parts = [
        f"{status.clock}  {status.phase:<9} {duration(status.elapsed_s)} of {duration(status.total_s)}",
        f"active: {', '.join(status.active) or 'none'}",
    ]
    if status.offered_per_s:
        parts.append(f"{status.achieved_per_s:.0f} of {status.offered_per_s:.0f}/s")
    if status.good:
        parts.append("good: " + ", ".join(f"{name} {percent(share)}" for name, share in status.good.items()))
    return " | ".join(parts)


def live_view(status: Status) -> Group:
    """A status as the redrawn table."""
    took = f"{duration(status.elapsed_s)} of {duration(status.total_s)}"
    head = Text.assemble((status.clock, "bold"), "  ", (status.phase, "bold cyan"), "  ", took)
    bar = ProgressBar(total=max(status.total_s, 1e-9), completed=min(status.elapsed_s, status.total_s), width=60)
    rate = f"{status.achieved_per_s:.0f} of {status.offered_per_s:.0f} requests/s, p99 {milliseconds(status.p99_ms)}"
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("time", bar)
    facts.add_row("rate", rate)
    facts.add_row("good", _good_text(status.good))
    facts.add_row("burn", "  ".join(f"{name} ×{value:.1f}" for name, value in status.burn.items()) or "none")
    facts.add_row("active", safe(", ".join(status.active), "red") if status.active else Text("none", style="dim"))
    return Group(head, facts)


def safe(value: str, style: str = "") -> Text:
    """Text of the record without control characters, which could steer the terminal."""
    return Text("".join(c if c.isprintable() else " " for c in value), style=style)


def _good_text(good: Mapping[str, float | None]) -> Text:
    text = Text()
    for name, share in good.items():
        style = "dim" if share is None else "green" if share >= 0.99 else "yellow" if share >= 0.5 else "red"
        text.append(f"{name} ").append(f"{percent(share)}   ", style=style)
    return text


def render_result(result: Result, console: Console, report: Path | None = None) -> None:
    """Verdict, objectives, steps, claims, failed gates; the report's path on the last line."""
    _print_verdict(result, console)
    wide = console.width >= _WIDE
    tables = (
        *(_objectives(title, slos, wide=wide) for title, slos in story.objective_groups(result)),
        _windows(result),
        _steps(result),
        _exposure(result),
        _invariants(result),
        _claims(result),
        _gates(result),
    )
    for table in tables:
        if table.row_count:
            console.print(table)
    if not wide:
        _print_why(result, console)
    if report is not None:
        console.print(Text(f"Report: {report}"), soft_wrap=True)


def _print_why(result: Result, console: Console) -> None:
    """The reasons of objectives that are not met, where the table has no room for them."""
    for slo in result.slos:
        if slo.status != "met":
            console.print(status_text(slo.status).append_text(safe(f" {slo.name}: {slo.reason}", "default")))
    console.print()


def status_text(word: str) -> Text:
    """A status as mark and word, in the mark's colour."""
    mark = palette.mark(word)
    return Text(f"{palette.SYMBOLS[mark]} {word}", style=_STYLES[mark])


def _print_verdict(result: Result, console: Console) -> None:
    mark = palette.verdict_mark(result.verdict, unexpected=result.unexpected)
    word = palette.VERDICT_WORDS.get(result.verdict, result.verdict)
    line = Text(f"{palette.SYMBOLS[mark]} {word}", style=f"bold {_STYLES[mark]}")
    if result.expectation:
        line.append_text(safe(f" ({result.expectation})", "default"))
    console.print()
    console.print(line)
    for reason in result.reasons:
        console.print(safe(f"  {reason}"))
    if not result.finished:
        console.print(Text("  Unfinished: the run was cut short.", style="yellow"))
    *took, outage = (f"{word} {story.key_time(result.times, name)}" for word, name in story.KEY_TIMES)
    console.print(safe("  " + ", ".join(took)))
    console.print(safe(f"  {outage}"))
    console.print()


def titled_table(title: str, *columns: str) -> Table:
    """Names keep their words whole, prose folds; columns that start with `>` hold numbers."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        number = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    return table


def _objectives(title: str, slos: Sequence[SloResult], *, wide: bool) -> Table:
    table = titled_table(
        title, "objective", "status", ">target", ">good", ">bad of total", ">budget", *(["why"] if wide else [])
    )
    for slo in slos:
        good = percent(None if slo.ratio is None else 1 - slo.ratio, digits=2)
        budget = "–" if slo.budget_spent is None else f"×{slo.budget_spent:.1f}"
        bad = f"{count(slo.bad)} of {count(slo.total)}"
        why = [safe(slo.reason)] if wide else []
        table.add_row(safe(slo.name), status_text(slo.status), target(slo.target), good, bad, budget, *why)
    return table


def _windows(result: Result) -> Table:
    """Of objectives that are not breached, the faults within which the target was missed: the report has every one."""
    objective, fault, *numbers = story.WINDOWS_HEAD
    table = titled_table(story.WINDOWS_TITLE, objective, fault, *(f">{name}" for name in numbers))
    for slo, step, *cells in story.window_rows(result, missed_only=True):
        table.add_row(safe(slo), safe(step), *cells)
    return table


def _steps(result: Result) -> Table:
    table = titled_table(
        "Steps, with the failing share before and after", ">#", "step", "role", ">at", "state", ">before", ">after", "effect"
    )
    for number, step in enumerate(result.steps, 1):
        at = clock(step.applied_s if step.applied_s is not None else step.at_s)
        change = percent(step.before), percent(step.after)
        state, effect = status_text(step.state), safe(story.effect_word(step))
        table.add_row(str(number), safe(step.name), step.role, at, state, *change, effect)
    return table


def _exposure(result: Result) -> Table:
    """Of faults alone: the report has every step."""
    first, second, third, *numbers = story.EXPOSURE_HEAD
    table = titled_table(story.EXPOSURE_TITLE, first, second, third, *(f">{name}" for name in numbers))
    for step, cohort, state, *shares in story.exposure_rows(result, faults_only=True):
        table.add_row(safe(step), safe(cohort), status_text(state), *(share.replace(" of ", "/") for share in shares))
    return table


def _invariants(result: Result) -> Table:
    """What was exercised or violated; those that were not exercised stand in one row, because they say nothing."""
    first, second, third, *_, last = story.INVARIANTS_HEAD
    table = titled_table(story.INVARIANTS_TITLE, first, second, f">{third}", last)
    idle = [name for name, status, *_ in story.invariant_rows(result) if status == "not-exercised"]
    for name, status, times, _, evidence in story.invariant_rows(result):
        if status != "not-exercised":
            table.add_row(safe(name), status_text(status), times, safe(evidence))
    if idle:
        table.add_row(safe(", ".join(idle)), status_text("not-exercised"), "–", "–")
    return table


def _claims(result: Result) -> Table:
    table = titled_table("Fidelity", "claim", "status", "what was published", "published", "measured")
    for claim in result.claims:
        measured = f"{claim.measured} ({claim.interval})" if claim.interval else claim.measured
        table.add_row(safe(claim.id), status_text(claim.status), safe(claim.text), safe(claim.published), safe(measured))
    return table


def _gates(result: Result) -> Table:
    table = titled_table("Failed gates", "gate", "makes the run", "why")
    for gate in result.gates:
        if not gate.passed:
            table.add_row(safe(gate.name), gate.severity, safe(gate.reason))
    return table
