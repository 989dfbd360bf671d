"""The plan of a series: which seed and which offset each episode has, drawn from one seed, and the file that says so.

Theory. A run's seed decides its load, its targets and the ages of its caches. What it does not decide is where in the stack's
own cycles the schedule falls: the directory publishes once an interval from its start on, so a fault at a fixed time would
always meet the same point of it. So each episode's stack begins earlier by an offset, any part of a publishing interval alike.
The schedule itself, its phases and the load keep their times.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from brownout.harness.base.durations import duration_text
from brownout.harness.base.files import is_file_there, read_regular, replace_whole
from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.record.series import EPISODES_MOST, SERIES_FILE, PlannedEpisode, SeriesPlan
from brownout.harness.run.header import new_folder, versions
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun
from brownout.identity.core.settings import Settings

SEEDS = 2**40


def draw_episodes(seed: int, count: int, *, cycle_s: float) -> tuple[PlannedEpisode, ...]:
    """So many episodes; the first ones are the same whatever the count is."""
    return tuple(
        PlannedEpisode(
            number=number,
            folder=f"episode-{number:02d}",
            seed=int(keyed_random(seed, "episode", number, "seed") * SEEDS),
            offset_s=round(keyed_random(seed, "episode", number, "offset") * cycle_s, 1),
        )
        for number in range(1, count + 1)
    )


def plan_series(run: PreparedRun, count: int) -> SeriesPlan:
    """The plan for `count` episodes of the run; raises UsageError for a count that cannot be."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= EPISODES_MOST:
        raise UsageError(f"a series has from 1 to {EPISODES_MOST:,} episodes", hint="five or more for a claim about the system")
    experiment, options = run.experiment, run.options
    posture = experiment.postures[run.posture]
    return SeriesPlan(
        schema="brownout/series/v1",
        experiment=experiment.name,
        title=experiment.title,
        description=experiment.description,
        world=options.world,
        posture=run.posture,
        posture_description=posture.description,
        posture_expects=posture.expect,
        seed=options.seed,
        episodes=draw_episodes(options.seed, count, cycle_s=Settings.of(run.stack.settings).publish_interval_s),
        confidence=experiment.gates.confidence,
        expected=options.expect,
        clock_rate=run.rate,
        versions=versions(),
        command=options.command,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def episode_options(options: Options, episode: PlannedEpisode, series: Path, *, command: tuple[str, ...]) -> Options:
    """The options of one episode's run. Its claims are not checked: what was published is compared with one run."""
    words = [*command, "--seed", str(episode.seed), "--no-controls"]
    words += ["--offset", duration_text(episode.offset_s)] if episode.offset_s else []
    return replace(
        options,
        seed=episode.seed,
        offset_s=episode.offset_s,
        out=series,
        folder_name=episode.folder,
        controls=False,
        expect="",
        longest_s=math.inf,  # the series as a whole was looked at
        command=shlex.join(words),
    )


def new_series_folder(plan: SeriesPlan, base: Path) -> Path:
    """A fresh folder with the plan in it; raises UsageError."""
    folder = new_folder(base, f"{plan.experiment}-{plan.world}-{plan.posture}-{plan.seed}-x{len(plan.episodes)}")
    try:
        replace_whole(folder / SERIES_FILE, plan.model_dump_json(by_alias=True, indent=2) + "\n", durable=True)
    except OSError as error:
        raise BrownoutError(f"{folder / SERIES_FILE} cannot be written: {error.strerror}", hint="make room for it") from error
    return folder


def is_series(folder: Path) -> bool:
    """Whether the folder is a series'."""
    return is_file_there(folder / SERIES_FILE)


def read_plan(folder: Path) -> SeriesPlan:
    """The plan in a series' folder; raises UsageError when there is none, and when it cannot be read."""
    path = folder / SERIES_FILE
    try:
        return SeriesPlan.model_validate_json(read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{folder} is not a series of runs", hint="name the folder that `run --episodes` printed") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise UsageError(f"{path} is damaged, or of another version: {place}: {first['msg']}") from None
