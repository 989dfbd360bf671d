"""Claims about the system: `brownout run --episodes`, the report of such a series, and `brownout compare`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brownout.harness.base.interrupts import INTERRUPTED
from brownout.harness.cli.frame import command, heal_first
from brownout.harness.cli.types import MARGIN
from brownout.harness.errors import BrownoutError
from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from brownout.harness.experiment.checks import CheckedExperiment
    from brownout.harness.record.progress import ProgressSink
    from brownout.harness.record.series import SeriesResult
    from brownout.harness.run.options import Options
    from brownout.harness.series.run import PreparedSeries
    from brownout.harness.series.verdict import MadeEpisode

Progress = Callable[[str], "ProgressSink | None"]


@dataclass(frozen=True, slots=True)
class SeriesOrder:
    """What `run --episodes` was asked for. `command`: what makes one run of it, without seed and offset."""

    experiment: CheckedExperiment
    options: Options
    episodes: int
    source: str
    command: tuple[str, ...]


def run_series(asked: SeriesOrder, progress: Progress, *, dry_run: bool, as_json: bool, resume: Path | None = None) -> int:
    """Runs the episodes, prints what they say of the system and returns the exit code."""
    from brownout.harness.series.run import carry_out_series, prepare_series

    series = prepare_series(asked.experiment, asked.options, asked.episodes, source=asked.source, command=asked.command)
    if dry_run:
        click.echo(_timetable(series))
        return 0
    world, number = asked.options.world, len(series.plan.episodes)
    heal_first(needs_state=world != SIMULATION)
    outcome = carry_out_series(series, sinks=lambda: progress(world), told=lambda made: _tell(made, number), resume=resume)
    for problem in outcome.unsaved:
        click.echo(f"brownout: {problem}", err=True)
    _show(outcome.result, outcome.folder, as_json=as_json)
    return INTERRUPTED if outcome.interrupted and outcome.result.verdict != "unsafe" else outcome.result.exit_code


def report_series(folder: Path, *, as_json: bool) -> int:
    """Evaluates a series again, writes its result and its page, and prints it."""
    from brownout.harness.series.folder import evaluate_series, write_series_result

    result = evaluate_series(folder)
    try:
        write_series_result(folder, result)
    except OSError as error:
        click.echo(f"brownout: nothing can be written in {folder}: {error.strerror or error}", err=True)
    return 0 if _show(result, folder, as_json=as_json) or as_json else BrownoutError.exit_code


def _show(result: SeriesResult, folder: Path, *, as_json: bool) -> bool:
    """Writes the page and prints the result; whether the page could be written."""
    from brownout.harness.experiment import plugins

    page: Path | None = None
    try:
        page = plugins.load_plugin("brownout.reports", "series-page")(result, folder)
    except OSError as error:
        click.echo(f"brownout: no series.html in {folder}: {error.strerror or error}", err=True)
    if as_json:
        click.echo(result.model_dump_json(by_alias=True))
    else:
        plugins.load_plugin("brownout.reports", "series")(result, page, sys.stdout)
    return page is not None


def _tell(made: MadeEpisode, number: int) -> None:
    """One line for an episode that ended."""
    from brownout.harness.base.stats import percent
    from brownout.harness.series.verdict import counts, why_not

    shares = (f"{slo.name} {percent(1 - slo.ratio)}" for slo in made.result.slos if slo.ratio is not None)
    text = ", ".join(shares) if counts(made.result) else f"does not count: {why_not(made.result)}"
    click.echo(f"episode {made.planned.number} of {number}: {made.result.verdict}; {text}", err=True)


def _timetable(series: PreparedSeries) -> str:
    """What the series would do, a line per episode."""
    plan = series.plan
    head = f"world {plan.world}, posture {plan.posture}, about {series.real_s:.0f} s of real time for the timelines"
    rows = (f"{one.folder}  seed {one.seed}, the stack begins {one.offset_s:g} s earlier" for one in plan.episodes)
    return "\n".join((plan.title, head, *rows))


@command(name="compare", measures=True)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--also-before", type=click.Path(path_type=Path), multiple=True, help="More runs of the first side; may be repeated."
)
@click.option(
    "--also-after", type=click.Path(path_type=Path), multiple=True, help="More runs of the second side; may be repeated."
)
@click.option(
    "--margin",
    type=MARGIN,
    default=0.25,
    show_default=True,
    help="How much worse is none: a share of the error budget, or of a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one JSON object.")
def compare_command(
    before: Path, after: Path, also_before: tuple[Path, ...], also_after: tuple[Path, ...], margin: float, as_json: bool
) -> int:
    """Say whether AFTER is worse than BEFORE: each the folder of a run, or of a series (`run --episodes`).

    Exit codes: 0 no regression, 1 a regression, 2 bad usage, 3 inconclusive. With five episodes on both sides it is about the
    system, and times are compared too; else about these runs alone.
    """
    from brownout.harness.experiment import plugins
    from brownout.harness.series.compare import compare
    from brownout.harness.series.sides import read_side

    found = compare(read_side("BEFORE", (before, *also_before)), read_side("AFTER", (after, *also_after)), margin=margin)
    if as_json:
        click.echo(found.model_dump_json(by_alias=True))
    else:
        plugins.load_plugin("brownout.reports", "comparison")(found, sys.stdout)
    return found.exit_code
