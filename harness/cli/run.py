"""`brownout run`: one experiment, from the file to the verdict, the report and the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from brownout.harness.base.interrupts import INTERRUPTED
from brownout.harness.cli.frame import command, heal_first, tell
from brownout.harness.cli.shell.complete import experiment_names
from brownout.harness.cli.telemetry.of_run import Telemetry, told
from brownout.harness.cli.types import EPISODES, PORT, SEED, DurationType
from brownout.harness.errors import BrownoutError
from brownout.harness.record.verdicts import VERDICTS
from brownout.harness.worlds.catalog import COMPOSE, PROCESSES, SIMULATION, WORLDS

if TYPE_CHECKING:
    from brownout.harness.api import Options, Outcome
    from brownout.harness.ci.copies import Copies
    from brownout.harness.experiment.model import Experiment
    from brownout.harness.load.arrivals import Cohort
    from brownout.harness.record.progress import ProgressSink
    from brownout.harness.record.result import Result
    from brownout.harness.run.prepare import PreparedRun

FILE = click.Path(path_type=Path)


def copied(function: Callable[..., int]) -> Callable[..., int]:
    """Options that name where copies of the reports go; the function gets them as one argument `copies`."""

    @click.option("--junit", type=FILE, metavar="FILE", help="Also write the result as JUnit XML.")
    @click.option("--markdown", type=FILE, metavar="FILE", help="Also write the result as Markdown.")
    @click.option("--html", type=FILE, metavar="FILE", help="Also write the report to this file.")
    @wraps(function)
    def collecting(*, junit: Path | None, markdown: Path | None, html: Path | None, **others: Any) -> int:
        from brownout.harness.ci.copies import Copies

        return function(copies=Copies(junit, markdown, html), **others)

    return collecting


@dataclass(frozen=True, slots=True)
class Shown:
    """How a run's result is shown: `as_json` on stdout, and in `copies` of its reports."""

    as_json: bool
    copies: Copies

    def hand_over(self, result: Result, report: Path | None) -> None:
        """Writes the copies, and what GitHub Actions shows where this is a step of it; tells what could not be written."""
        from brownout.harness.ci import github
        from brownout.harness.ci.copies import rendered

        problems = [*self.copies.write(result, report)]
        if github.is_github():
            problems.append(github.add_to_summary(rendered("markdown", result)))
            for annotation in github.run_annotations(result):
                click.echo(annotation.line, err=self.as_json)  # GitHub reads both streams, a script only JSON
        for problem in filter(None, problems):
            click.echo(f"brownout: {problem}", err=True)


@command(name="run", measures=True)
@click.argument("experiment", shell_complete=experiment_names)
@click.option("--world", type=click.Choice([*WORLDS]), default=PROCESSES, show_default=True)
@click.option("--posture", default="", help="A posture of the experiment; its own when not given.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A setting of the service; may be repeated.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Decides load, targets and ages.")
@click.option("--episodes", type=EPISODES, help="Run it so often, with draws from --seed, and judge the system.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with that folder of the same --episodes, which was cut.")
@click.option("--offset", "offset_s", type=DurationType(), default="0s", help="Begin the stack so much emulated time earlier.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True)
@click.option("--expect", type=click.Choice(VERDICTS), default=None, help="Exit 0 when this verdict comes out.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object to stdout.")
@copied
@told
@click.option("--dry-run", is_flag=True, help="Print the timeline and why the run would be refused now; start nothing.")
@click.option("--dashboard", is_flag=True, help="Open Locust's web UI on loopback during the run (processes only).")
@click.option("--dashboard-port", type=PORT, default=8089, show_default=True)
@click.option("--no-canaries", is_flag=True, help="Do not run the real SDKs beside the load.")
@click.option("--no-controls", is_flag=True, help="Do not simulate the control runs that claims are compared with.")
@click.option(
    "--longest", "longest_s", type=DurationType(), default="1h", show_default=True, help="The most real time it may take."
)
def run_command(
    experiment: str,
    world: str,
    posture: str,
    sets: tuple[str, ...],
    seed: int,
    episodes: int | None,
    resume: Path | None,
    offset_s: float,
    out: Path,
    expect: str | None,
    as_json: bool,
    copies: Copies,
    telemetry: Telemetry,
    dry_run: bool,
    dashboard: bool,
    dashboard_port: int,
    no_canaries: bool,
    no_controls: bool,
    longest_s: float,
) -> int:
    """Run EXPERIMENT, a file or the name of an installed experiment, and judge it.

    With --episodes a claim about the system, not about one run: it needs five episodes or more.

    Exit codes: 0 pass, 1 SLO breached, 2 bad usage or file, 3 inconclusive, 4 harness error, 5 left unsafe,
    130 interrupted and healed. With --expect 0 when that verdict came out, 1 when pass or breach came out instead.
    """
    from brownout.harness.api import Options, prepare
    from brownout.harness.experiment.loader import find, read

    path = find(experiment)
    checked = read(path)
    _require_sound(world, dashboard=dashboard, copies=copies, resume=resume, episodes=episodes)
    telemetry.require_sound(world, episodes)
    options = Options(
        world=world,
        posture=posture,
        seed=seed,
        out=out,
        expect=expect or "",
        command=_repeat(sys.argv),
        dashboard_port=dashboard_port if dashboard else None,
        canaries=not no_canaries,
        controls=not no_controls,
        longest_s=longest_s,
        offset_s=offset_s,
        settings=_settings(checked.experiment, posture, sets),
    )
    if episodes is not None:
        from brownout.harness.cli.series import SeriesOrder, run_series

        asked = SeriesOrder(checked, options, episodes, path.name, _repeat_episode(experiment, options, sets))
        return run_series(asked, _progress, dry_run=dry_run, as_json=as_json, resume=resume)
    prepared = prepare(checked, options, source=path.name)
    if dry_run:
        return _told_only(prepared)
    copies.check()
    return _run_one(prepared, Shown(as_json, copies), telemetry)


def _require_sound(world: str, *, dashboard: bool, copies: Copies, resume: Path | None, episodes: int | None) -> None:
    """Raises UsageError for options that do not go together."""
    from brownout.harness.errors import UsageError

    if copies.paths and episodes is not None:
        raise UsageError("a series of runs has a page of its own", hint="leave --junit, --markdown and --html out")
    if dashboard and world != PROCESSES:
        raise UsageError("--dashboard needs Locust, which the simulation does not use", hint="add --world processes")
    if resume is not None and episodes is None:
        raise UsageError("--resume is for a series of runs", hint="add --episodes, as the series was begun")


def _run_one(prepared: PreparedRun, shown: Shown, telemetry: Telemetry) -> int:
    """Carries one run out, prints what came of it and returns the exit code."""
    from brownout.harness.api import carry_out

    world, port = prepared.options.world, prepared.options.dashboard_port
    heal_first(needs_state=world != SIMULATION)
    if port is not None:
        click.echo(f"Locust's dashboard: http://127.0.0.1:{port}/  faults: http://127.0.0.1:{port}/faults", err=True)
    with telemetry.listening(world) as observers:
        try:
            outcome = carry_out(prepared, sink=_progress(world), meanwhile=_html_report, observers=observers)
        except BrownoutError as error:
            return _finish_failed(error, shown)
    return _finish(outcome, shown)


def _settings(experiment: Experiment, posture: str, sets: tuple[str, ...]) -> dict[str, Any]:
    """The settings that `sets` name, with their parts that these do not name as the posture has them; raises UsageError."""
    from brownout.harness.operate.setting_args import spoken_settings

    _, chosen = experiment.posture_named(posture)
    named = {text.partition("=")[0].partition(".")[0].strip() for text in sets}
    spoken = spoken_settings(sets, over={**experiment.settings, **chosen.settings})
    return {name: value for name, value in spoken.items() if name in named}


def _repeat(arguments: list[str]) -> str:
    """The command that repeats this run."""
    return shlex.join(["brownout", *arguments[1:]])


def _repeat_episode(experiment: str, options: Options, sets: tuple[str, ...]) -> tuple[str, ...]:
    """The command for one run of a series, without its seed and offset."""
    words = ["brownout", "run", experiment, "--world", options.world]
    words += ["--posture", options.posture] if options.posture else []
    words += [word for text in sets for word in ("--set", text)]
    return (*words, *(["--no-canaries"] * (not options.canaries)))


def _progress(world: str) -> ProgressSink | None:
    from brownout.harness.experiment import plugins

    if world == SIMULATION:
        return None
    sink: ProgressSink = plugins.load_plugin("brownout.reports", "progress")(sys.stderr)
    return sink


def write_report(folder: Path) -> Path | None:
    """Writes the HTML report of a run folder; None, and a line that says why, where it cannot be written."""
    try:
        return _html_report()(folder)
    except OSError as error:
        click.echo(f"brownout: no report.html in {folder}: {error.strerror or error}", err=True)
    except BrownoutError as error:
        tell(error)
    return None


def _html_report() -> Callable[[Path], Path]:
    """The function that writes the HTML report, which takes a moment to load."""
    from brownout.harness.experiment import plugins

    write: Callable[[Path], Path] = plugins.load_plugin("brownout.reports", "html")
    return write


def _finish(outcome: Outcome, shown: Shown) -> int:
    """Writes the report, prints the outcome and returns the exit code, also when the report cannot be written."""
    from brownout.harness.experiment import plugins

    for problem in outcome.unsaved:
        click.echo(f"brownout: {problem}", err=True)
    report = write_report(outcome.folder)
    if shown.as_json:
        click.echo(outcome.result.model_dump_json(by_alias=True))
    else:
        plugins.load_plugin("brownout.reports", "summary")(outcome.result, report, sys.stdout)
    shown.hand_over(outcome.result, report)
    return INTERRUPTED if outcome.interrupted and outcome.result.exit_code != 5 else outcome.result.exit_code


def _finish_failed(error: BrownoutError, shown: Shown) -> int:
    """Prints why the run could not be carried out and where its record is; returns the exit code."""
    from brownout.harness.judge.run_folder import read_result

    tell(error)
    if error.run_folder is None or not (result := read_result(error.run_folder)):
        return error.exit_code
    report = write_report(error.run_folder)
    if report is not None:
        click.echo(f"Report: {report}", err=True)
    if shown.as_json:
        click.echo(result.model_dump_json(by_alias=True))
    shown.hand_over(result, report)
    return result.exit_code


def _told_only(prepared: PreparedRun) -> int:
    """Prints the timeline and why the run would not begin now; returns the code it would end with, 0 when it would begin."""
    from brownout.harness.api import refusals

    click.echo(_timeline(prepared))
    found = refusals(prepared)
    for error in found:
        tell(error)
    return found[0].exit_code if found else 0


def _timeline(prepared: PreparedRun) -> str:
    """What the run would do, a line per moment."""
    from datetime import UTC, datetime

    from brownout.harness.experiment.steps import PhaseStart, StepStart

    def clock(at_s: float) -> str:
        return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")

    experiment, world, rate = prepared.experiment, prepared.options.world, prepared.rate
    lines = [
        f"{experiment.title}",
        f"world {world}, clock rate {rate:g}, about {prepared.real_s:.0f} s of real time for the timeline",
    ]
    lines += _subject_lines(experiment, world)
    for moment in prepared.moments:
        if isinstance(moment, PhaseStart):
            what = f"phase {moment.name}"
        else:
            step, fault = moment.resolved.step, moment.resolved.fault
            verb = "apply" if isinstance(moment, StepStart) else "revert"
            what = f"{verb} {step.name} [{step.role}]: {fault.describe()}"
        lines.append(f"{clock(moment.at_s)}  {what}")
    lines.append(f"{clock(prepared.end_s)}  end; everything is reverted")
    lines += ["load:", *map(_cohort_line, experiment.load.cohorts)]
    return "\n".join(lines)


def _cohort_line(cohort: Cohort) -> str:
    asked = "" if cohort.ask is None else f": {cohort.ask}"
    return f"  {cohort.name}: {cohort.rate_per_s:g} per emulated second{asked}"


def _subject_lines(experiment: Experiment, world: str) -> list[str]:
    """What would be started as the subject, and how; nothing for an experiment without one."""
    from brownout.harness.base.durations import duration_text

    subject = experiment.subject
    if subject is None:
        return []
    what = f"service {subject.service} of {subject.compose}" if world == COMPOSE else shlex.join(subject.words)
    where = f"as on {subject.env_of}" if subject.env_of else "as a client on no machine"
    return [
        f"subject {where}: {what}",
        f"  in {subject.folder or '.'}, ready within {duration_text(subject.ready_within_s)} at {subject.ready}",
    ]
