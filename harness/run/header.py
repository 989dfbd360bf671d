"""`run.json`: everything about a run that its history does not say, written before anything starts."""

from __future__ import annotations

import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson

from brownout.harness.experiment.model import Experiment
from brownout.harness.run.options import Options


def write_run_file(folder: Path, experiment: Experiment, options: Options, posture: str, source: str) -> None:
    """`run.json`: everything about the run that its history does not say, written before anything starts."""
    record = {
        "experiment": experiment.model_dump(mode="json", by_alias=True),
        "source": source,
        "world": options.world,
        "posture": posture,
        "seed": options.seed,
        "versions": versions(),
        "clock_rate": experiment.timeline.rate(options.world),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": options.command or _command(experiment, options, posture),
        "expected": options.expect,
        "parameters": {**experiment.settings, **experiment.postures[posture].settings},
    }
    beside = folder / ".run.json"
    beside.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2))
    beside.replace(folder / "run.json")  # whole or not at all, so that a folder that has it can be reported on


def _command(experiment: Experiment, options: Options, posture: str) -> str:
    words = ("brownout", "run", experiment.name, "--world", options.world, "--posture", posture, "--seed", str(options.seed))
    return shlex.join(words)


def versions() -> dict[str, str]:
    """What this run was made with."""
    return {
        "brownout": version("brownout"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "implementation": sys.implementation.name,
    }
