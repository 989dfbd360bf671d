"""A series' folder on disk: `series.json`, one run folder for each episode, and `series-result.json`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from brownout.harness.base.files import read_regular, replace_whole
from brownout.harness.errors import UsageError
from brownout.harness.judge.evaluate import evaluate
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.result import Result
from brownout.harness.record.series import SERIES_RESULT_FILE, SeriesPlan, SeriesResult
from brownout.harness.series.plan import read_plan
from brownout.harness.series.verdict import MadeEpisode, judge_series

KILLED = "it was ended early"


def evaluate_series(folder: Path) -> SeriesResult:
    """The result of a series from its episodes' records, also of one that was killed; writes nothing. Raises UsageError."""
    plan, before = read_plan(folder), read_series_result(folder)
    made = tuple(made_episodes(folder, plan))
    if not made:
        raise UsageError(f"no episode of {folder} was made", hint="run it again; nothing is lost")
    cut = "" if len(made) == len(plan.episodes) else before.cut_short if before is not None else KILLED
    took_s = before.wall_s if before is not None else sum(one.result.wall_s for one in made)
    return judge_series(plan, made, cut_short=cut, wall_s=took_s)


def made_episodes(folder: Path, plan: SeriesPlan) -> Iterator[MadeEpisode]:
    """The episodes whose run was begun, in order; one that was cut off is evaluated as far as its record goes."""
    for planned in plan.episodes:
        own = folder / planned.folder
        if (own / "run.json").exists():
            yield MadeEpisode(planned, episode_result(own))


def episode_result(folder: Path) -> Result:
    """The result in a run folder, or where it has none that can be read, that of its record."""
    return read_result(folder) or evaluate(folder)


def write_series_result(folder: Path, result: SeriesResult) -> Path:
    """Writes `series-result.json`, whole or not at all; raises OSError."""
    path = folder / SERIES_RESULT_FILE
    replace_whole(path, result.model_dump_json(by_alias=True, indent=2) + "\n", durable=True)
    return path


def read_series_result(folder: Path) -> SeriesResult | None:
    """The result in the folder; None when it is missing or cannot be read."""
    try:
        return SeriesResult.model_validate_json(read_regular(folder / SERIES_RESULT_FILE))
    except (OSError, ValidationError):
        return None
