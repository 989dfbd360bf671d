"""Commands that start nothing: validate, schema, report, doctor, setup, images, init."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brownout.harness.cli.frame import command, heal_first
from brownout.harness.cli.run import write_report
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.worlds.catalog import WORLDS

if TYPE_CHECKING:
    from brownout.harness.record.result import Result
    from brownout.harness.scaffold.write import Scaffold

KINDS = ("experiment", "pytest", "fault", "app", "ci")  # of harness/scaffold/write.py:KINDS
SAMPLES = ("fastapi", "worker", "node")  # of harness/scaffold/write.py:SAMPLES
ONLY = "the only one"  # what `--stack` without a name means


@command(name="validate", measures=True)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate_command(files: tuple[Path, ...]) -> int:
    """Check each experiment FILE and print every problem with its line and column; exit code 2 if there is any."""
    sound = [_is_sound(file) for file in files]
    return 0 if all(sound) else 2


def _is_sound(file: Path) -> bool:
    from brownout.harness.errors import UsageError
    from brownout.harness.experiment.loader import find, validate

    try:
        path = find(str(file))
        problems = validate(path)
    except UsageError as error:  # no such experiment
        problems = (error,)
    for problem in problems:
        click.echo(str(problem), err=True)
    if not problems:
        click.echo(f"{path}: no problem found")
    return not problems


@command(name="schema")
def schema_command() -> int:
    """Print the JSON Schema of experiment files, for editors."""
    from brownout.harness.experiment.editor_schema import schema_text

    click.echo(schema_text(), nl=False)
    return 0


@command(name="report")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object to stdout.")
@click.option("--markdown", is_flag=True, help="Print the result as Markdown, as for a job's summary.")
@click.option("--junit", is_flag=True, help="Print the result as JUnit XML.")
def report_command(run_dir: Path, as_json: bool, markdown: bool, junit: bool) -> int:
    """Evaluate the record in RUN_DIR again, of a finished or a killed run or series of runs, and write its report."""
    from brownout.harness.cli.series import report_series
    from brownout.harness.experiment import plugins
    from brownout.harness.judge.evaluate import evaluate
    from brownout.harness.series.plan import is_series

    heal_first(needs_state=False)
    if is_series(run_dir):
        if markdown or junit:
            raise UsageError(
                f"{run_dir} is a series of runs, which has a page, a table and JSON", hint="name one of its episodes"
            )
        return report_series(run_dir, as_json=as_json)
    result = evaluate(run_dir)
    report = _written(run_dir, result)
    if as_json:
        click.echo(result.model_dump_json(by_alias=True))
    elif markdown or junit:
        click.echo(plugins.load_plugin("brownout.reports", "markdown" if markdown else "junit")(result))
    else:
        plugins.load_plugin("brownout.reports", "summary")(result, report, sys.stdout)
        return 0 if report is not None else BrownoutError.exit_code
    return 0


def _written(run_dir: Path, result: Result) -> Path | None:
    """Writes result and report into the run folder; None, and a line that says why, where that cannot be done."""
    from brownout.harness.judge.evaluate import write_result

    try:
        write_result(run_dir, result)
    except OSError as error:
        click.echo(f"brownout: nothing can be written in {run_dir}: {error.strerror or error}", err=True)
        return None
    return write_report(run_dir)


@command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as one JSON object.")
@click.option("--world", type=click.Choice([*WORLDS]), help="Also insist on what this world alone needs.")
@click.option("--stack", "stack_id", is_flag=False, flag_value=ONLY, help="Instead try the walls of a stack of containers.")
def doctor_command(as_json: bool, world: str | None, stack_id: str | None) -> int:
    """Look for problems that would keep a run from working, and print how to repair them."""
    from brownout.harness.doctor.checks import checks, ledger_leftovers, render
    from brownout.harness.doctor.stack import stack_checks

    if stack_id is not None:
        found = stack_checks("" if stack_id == ONLY else stack_id)
    else:
        found = checks(leftovers=ledger_leftovers, world=world or "")
    if as_json:
        click.echo(json.dumps({"checks": [{"name": c.name, "ok": c.ok, "detail": c.detail, "fix": c.fix} for c in found]}))
    else:
        click.echo(render(found))
    return 0 if all(check.ok for check in found) else 4


@command(name="setup")
def setup_command() -> int:
    """Get the Toxiproxy server, which stacks of processes need: found, or built once (half a minute).

    BROWNOUT_TOXIPROXY names one that is there already.
    """
    from brownout.harness.worlds.toxiproxy.install import toxiproxy_server

    click.echo(toxiproxy_server(say=lambda text: click.echo(text, err=True)))
    return 0


@command(name="images")
@click.option("--offline", is_flag=True, help="Use no image registry: from Debian's packages, locked Python packages and Go.")
def images_command(offline: bool) -> int:
    """Build the images of the world compose, as far as they are not up to date (a minute or two)."""
    from brownout.harness.worlds.compose.images.build import build_images

    build_images(offline=offline, say=lambda text: click.echo(text, err=True))
    return 0


@command(name="init")
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The folder to write into."
)
@click.option("--command", "own", help="With app: how your application is started. A {port} in it becomes the port of the run.")
@click.option("--ready", metavar="PATH", help="With --command: the path that answers 2xx once it is ready. [default: /healthz]")
@click.option("--sample", type=click.Choice(SAMPLES), help="With app: a sample that fails, with the change that makes it pass.")
def init_command(kind: str, folder: Path, own: str | None, ready: str | None, sample: str | None) -> int:
    """Write files to begin with, which pass at once: an experiment, a test of pytest, a fault of one's own, an
    application with an experiment about it, a CI job.

    A file that is there already is never changed.
    """
    from brownout.harness.scaffold.write import write

    scaffold = _scaffold(kind, own, ready, sample)
    for path in write(scaffold, folder):
        click.echo(path)
    for number, line in enumerate(scaffold.then):
        click.echo(f"{'Then' if number else 'Now'}: {line}", err=True)
    return 0


def _scaffold(kind: str, own: str | None, ready: str | None, sample: str | None) -> Scaffold:
    """What the options ask for; raises UsageError where they do not go together."""
    from brownout.harness.scaffold.write import of_application, of_kind, of_sample

    if kind != "app" and (own is not None or ready is not None or sample is not None):
        raise UsageError("--command, --ready and --sample are options of `brownout init app`")
    if own is None and ready is not None:
        raise UsageError("--ready needs --command", hint="name the command that starts your application, or leave out --ready")
    if own is None:
        return of_sample(sample) if sample is not None else of_kind(kind)
    if sample is not None:
        raise UsageError("--sample brings an application, --command names yours", hint="leave one of them out")
    return of_application(own, "/healthz" if ready is None else ready)
