"""`brownout matrix`: which of AWS's calls work during which event, from clients of each region."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from brownout.harness.base.interrupts import INTERRUPTED
from brownout.harness.cli.frame import command, heal_first
from brownout.harness.cli.run import write_report
from brownout.harness.cli.types import SEED, NumberType
from brownout.harness.worlds.catalog import PROCESSES, SIMULATION

INCONCLUSIVE = 3


@command(name="matrix", measures=True)
@click.option("--world", type=click.Choice([SIMULATION, PROCESSES]), default=SIMULATION, show_default=True)
@click.option("--region", "clients", multiple=True, metavar="REGION", help="Only clients in this region; may be repeated.")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Only this event; may be repeated.")
@click.option(
    "--regions", default="sydney,melbourne", metavar="HOME,AWAY", show_default=True, help="The stack's regions, home first."
)
@click.option("--attempts", type=NumberType(1, 10, whole=True), default=5, show_default=True, help="Of an SDK's call, at most.")
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as one JSON object.")
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the tables into this Markdown page too, between its markers, when every event was in force.",
)
@click.option(
    "--run",
    "run_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Keep it in the folder of a run too, and show it in that run's report.",
)
def matrix_command(
    world: str,
    clients: tuple[str, ...],
    events: tuple[str, ...],
    regions: str,
    attempts: int,
    seed: int,
    as_json: bool,
    page: Path | None,
    run_dir: Path | None,
) -> int:
    """Measure which of AWS's calls work during which event, from clients in either of two regions.

    Events are cuts between the regions, a control plane or a region that is down, names that do not exist, and others. Their
    faults are injected into a stack of the command's own, seen to bite, and reverted.

    Exit codes: 0 measured, 3 when an event was not in force while it was measured, 2 bad usage, 4 harness error,
    5 left unsafe, 130 interrupted and healed.
    """
    from brownout.harness.base.files import replace_whole
    from brownout.harness.experiment import plugins
    from brownout.harness.matrix import run
    from brownout.harness.matrix.options import MatrixOptions
    from brownout.harness.record.matrix import FILE_NAME

    named = tuple(word.strip() for word in regions.split(",") if word.strip())
    options = MatrixOptions(world, seed, named, clients, events, attempts)
    options.check()
    _require_run(run_dir)
    written = None if page is None else plugins.load_plugin("brownout.reports", "matrix-page")(_text_of(page))
    heal_first(needs_state=world != SIMULATION)
    matrix = run.measure(options)
    if as_json:
        click.echo(matrix.model_dump_json(by_alias=True))
    else:
        plugins.load_plugin("brownout.reports", "matrix")(matrix, sys.stdout)
    if page is not None and written is not None and matrix.whole:
        replace_whole(page, written.with_matrix(matrix), durable=False)
    if run_dir is not None:
        replace_whole(run_dir / FILE_NAME, matrix.model_dump_json(by_alias=True), durable=True)
        write_report(run_dir)
    return INTERRUPTED if matrix.interrupted else 0 if matrix.whole else INCONCLUSIVE


def _require_run(folder: Path | None) -> None:
    """Raises UsageError for a folder without the result of a run."""
    from brownout.harness.errors import UsageError
    from brownout.harness.judge.run_folder import read_result

    if folder is not None and read_result(folder) is None:
        raise UsageError(f"{folder} has no result of a run", hint="is it a run's folder? `brownout report` evaluates it again")


def _text_of(page: Path) -> str:
    """The page as it is; raises UsageError where it cannot be read."""
    from brownout.harness.errors import UsageError

    try:
        return page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{page} cannot be read: {error}") from error
