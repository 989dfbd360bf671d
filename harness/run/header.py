"""The folder of a run and its header, `run.json`: everything about the run that its history does not say.

Both are there before anything starts.
"""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from brownout.harness.base.durations import duration_text
from brownout.harness.errors import UsageError
from brownout.harness.judge.run_folder import RunHeader, read_header, write_header
from brownout.harness.run.prepare import PreparedRun


def rewrite_run_file(folder: Path, run: PreparedRun) -> None:
    """Writes the run's experiment anew into `run.json`, whole or not at all: its timeline was moved."""
    write_header(folder, read_header(folder).model_copy(update={"experiment": run.experiment}))


def write_run_file(folder: Path, run: PreparedRun) -> None:
    """Writes `run.json`, whole or not at all, before anything starts."""
    options = run.options
    header = RunHeader(
        experiment=run.experiment,
        source=run.source,
        world=options.world,
        posture=run.posture,
        seed=options.seed,
        versions=versions(),
        clock_rate=run.rate,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=options.command or _command(run),
        expected=options.expect,
        parameters=run.stack.settings,
        offset_s=options.offset_s,
    )
    write_header(folder, header)


def _command(run: PreparedRun) -> str:
    """The command line that makes this run, for one that was not started by a command."""
    options = run.options
    words = ("brownout", "run", run.experiment.name, "--world", options.world)
    offset = ("--offset", duration_text(options.offset_s)) if options.offset_s else ()
    return shlex.join((*words, "--posture", run.posture, "--seed", str(options.seed), *offset))


def versions() -> dict[str, str]:
    """What this run was made with."""
    return {
        "brownout": version("brownout"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "implementation": sys.implementation.name,
    }


def new_run_folder(run: PreparedRun) -> Path:
    """A fresh folder for the run under `options.out`; with `-2` and so on where its name is taken; raises UsageError."""
    made = f"{run.experiment.name}-{run.options.world}-{run.posture}-{run.options.seed}"
    return new_folder(run.options.out, run.options.folder_name or made)


def new_folder(base: Path, name: str) -> Path:
    """A fresh folder of that name in `base`, with `-2` and so on where it is taken; raises UsageError."""
    for number in range(1, 10_000):
        folder = base / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="name another folder with --out") from error
        return folder
    raise UsageError(f"no free name for a run folder in {base}", hint="clean it up, or name another with --out")
