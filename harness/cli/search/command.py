"""`brownout search`: schedules that no experiment lists, tried in the simulation."""

from __future__ import annotations

from pathlib import Path

import click

from brownout.harness.cli.frame import command
from brownout.harness.cli.shell.complete import experiment_names
from brownout.harness.cli.types import SEED, DurationType, NumberType

FOR_S = 60.0
SEED_BY_DEFAULT = 1


@command(name="search", measures=True)
@click.argument("experiment", default="", shell_complete=experiment_names)
@click.option("--for", "for_s", type=DurationType(), default=None, help="How long to search; 60s if nothing bounds it.")
@click.option("--schedules", type=NumberType(1, 1e9, whole=True), default=None, help="Search so many schedules at least.")
@click.option("--seed", type=SEED, default=None, help="Decides every schedule; 1 unless it is given.")
@click.option(
    "--workers",
    type=NumberType(1, 256, whole=True),
    default=None,
    help="Processes of this machine; one a core if not given.",
)
@click.option("--executor", default="", metavar="dask://HOST:PORT", help="Search on the workers of a Dask cluster.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=None, help="The campaign's folder.")
@click.option(
    "--resume", type=click.Path(file_okay=False, path_type=Path), default=None, help="Go on with the campaign of this folder."
)
@click.option("--plant", "planted", multiple=True, metavar="BUG", help="Switch a planted bug on; may be repeated.")
@click.option("--no-corpus", is_flag=True, help="Do not try the schedules of the corpus first.")
def search_command(
    experiment: str,
    for_s: float | None,
    schedules: int | None,
    seed: int | None,
    workers: int | None,
    executor: str,
    out: Path | None,
    resume: Path | None,
    planted: tuple[str, ...],
    no_corpus: bool,
) -> int:
    """Search for schedules of faults that break an invariant, an objective or a promise of our own.

    Schedules are put on EXPERIMENT, a file or the name of an installed experiment, in place of its own; without one, on small
    stacks made for this. Everything is simulated. What is found is shrunk, and written as a file for `brownout run`.

    Exit codes: 0 nothing found, 1 found and written, 2 bad usage, 4 harness error, 130 interrupted with nothing found.
    """
    from brownout.harness.errors import UsageError
    from brownout.harness.experiment import plugins

    if out is not None and resume is not None:
        raise UsageError("--out begins a campaign and --resume goes on with one", hint="give one of them")
    if resume is not None and (experiment or planted or seed is not None):
        what = "EXPERIMENT, --seed and --plant are those that the campaign began with"
        raise UsageError(what, hint="leave them out beside --resume, or begin another campaign")
    if for_s is not None and for_s <= 0:
        raise UsageError("a search of no time finds nothing", hint="such as --for 60s")
    seed = SEED_BY_DEFAULT if seed is None else seed
    bounded = for_s is not None or schedules is not None
    code: int = plugins.load_plugin("brownout.search", "command")(
        experiment=experiment,
        for_s=for_s if bounded else FOR_S,
        schedules=schedules,
        seed=seed,
        folder=resume or out or Path("searches") / f"{Path(experiment).stem or 'search'}-{seed}",
        resumes=resume is not None,
        workers=None if workers is None else int(workers),
        executor=executor,
        planted=planted,
        corpus=not no_corpus,
    )
    return code
