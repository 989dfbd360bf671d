"""A series of runs in the terminal: what its episodes say of the system, and the episodes themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brownout.harness.record.series import EpisodeResult, SeriesResult, SystemObjective
from brownout.reports import palette
from brownout.reports.terminal import console_on, safe, status_text, titled_table
from brownout.reports.units import count, duration, percent, target

TITLE = "What the episodes say of the system"
EPISODES_SHOWN = 20


def summary(result: SeriesResult, page: Path | None, stream: TextIO) -> None:
    """The verdict, the objectives with their intervals, the episodes; the page's path last (entry point)."""
    console = console_on(stream)
    _print_verdict(result, console)
    if result.objectives:
        console.print(_objectives(result))
    if result.episodes:
        console.print(_episodes(result))
    for episode in result.episodes:
        if not episode.counts:
            line = safe(f" {episode.folder} does not count: {episode.why}", "default")
            console.print(status_text(episode.verdict).append_text(line))
    if page is not None:
        console.print(Text(f"Report: {page}"), soft_wrap=True)


def _print_verdict(result: SeriesResult, console: Console) -> None:
    word = palette.VERDICT_WORDS.get(result.verdict, result.verdict)
    mark = palette.verdict_mark(result.verdict, unexpected=result.unexpected)
    line = status_text(result.verdict) if mark == palette.mark(result.verdict) else status_text("undecided")
    line.plain = f"{palette.SYMBOLS[mark]} {word}"
    expectation = f"; {result.expectation}" if result.expectation else ""
    console.print()
    console.print(line.append_text(safe(f" (about the system{expectation})", "default")))
    for reason in result.reasons:
        console.print(safe(f"  {reason}"))
    console.print()


def _objectives(result: SeriesResult) -> Table:
    table = titled_table(
        f"{TITLE}, bounds at {percent(result.plan.confidence, digits=0)}",
        "objective", "status", ">target", ">good", ">the system", ">episodes from", ">to", ">bad of total",
    )  # fmt: skip
    for found in result.objectives:
        table.add_row(safe(found.name), status_text(found.status), target(found.target), *objective_cells(found))
    return table


def objective_cells(found: SystemObjective) -> tuple[str, ...]:
    """Mean good share, its interval, the worst and the best episode, bad of all requests."""
    interval = found.interval
    between = "–" if interval is None else f"{_good(interval.high)} to {_good(interval.low)}"
    bad = f"{count(found.bad)} of {count(found.total)}"
    return _good(found.ratio), between, _good(found.highest), _good(found.lowest), bad


def _good(ratio: float | None) -> str:
    return percent(None if ratio is None else 1 - ratio, digits=2)


def _episodes(result: SeriesResult) -> Table:
    """The first and last where there are many: the page has them all, with their shares."""
    shown, left = result.episodes, 0
    if len(shown) > EPISODES_SHOWN:
        half = EPISODES_SHOWN // 2
        left = len(shown) - EPISODES_SHOWN
        shown = (*shown[:half], *shown[-half:])
    title = f"Episodes ({left} in the middle are on the page only)" if left else "Episodes"
    table = titled_table(title, ">#", "verdict", ">seed", ">offset", ">detect", ">recover", ">longest outage")
    for episode in shown:
        times = (episode.times.detect, episode.times.recover, episode.times.longest_outage)
        head = (str(episode.number), status_text(episode.verdict), str(episode.seed), duration(episode.offset_s))
        table.add_row(*head, *(duration(value) for value in times))
    return table


def episode_shares(episode: EpisodeResult, objectives: Sequence[str]) -> tuple[str, ...]:
    """The good share of each of these objectives, a dash where it had no request."""
    ratios = {share.objective: share.ratio for share in episode.shares}
    return tuple(_good(ratios.get(name)) for name in objectives)
