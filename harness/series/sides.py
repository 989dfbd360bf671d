"""One side of a comparison: the runs in the folders that were named, which must be of one kind and each a run of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.run_folder import RunHeader, read_header
from brownout.harness.record.comparison import ComparedSide
from brownout.harness.record.result import Result
from brownout.harness.series.folder import episode_result
from brownout.harness.series.plan import is_series, read_plan
from brownout.harness.series.verdict import counts, why_not
from brownout.harness.worlds.catalog import SIMULATION


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run folder with what was run and what came of it."""

    folder: Path
    header: RunHeader
    result: Result


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one side, at least one, all of one experiment, world, posture and settings."""

    name: str
    runs: tuple[RecordedRun, ...]

    @property
    def first(self) -> RecordedRun:
        return self.runs[0]

    @property
    def experiment(self) -> Experiment:
        return self.first.header.experiment

    @property
    def counted(self) -> tuple[Result, ...]:
        """The results that say something of the system."""
        return tuple(run.result for run in self.runs if counts(run.result))

    def described(self) -> ComparedSide:
        header = self.first.header
        return ComparedSide(
            folders=tuple(str(run.folder) for run in self.runs),
            world=header.world,
            posture=header.posture,
            clock_rate=header.clock_rate,
            episodes=len(self.counted),
            excluded=tuple(f"{run.folder}: {why_not(run.result)}" for run in self.runs if not counts(run.result)),
        )


def read_side(name: str, folders: Iterable[Path]) -> Side:
    """The runs in these folders of runs and of series; raises UsageError for what is neither, mixed, or there twice."""
    runs = tuple(RecordedRun(own, read_header(own), episode_result(own)) for own in _run_folders(folders))
    if not runs:
        raise UsageError(f"{name} has no run", hint="a series that was ended before its first episode says nothing")
    _require_own_runs(name, runs)
    _require_alike(name, runs)
    return Side(name, runs)


def _run_folders(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if not is_series(folder):
            yield folder
            continue
        for planned in read_plan(folder).episodes:
            if (folder / planned.folder / "run.json").exists():
                yield folder / planned.folder


def _require_own_runs(name: str, runs: tuple[RecordedRun, ...]) -> None:
    """Raises UsageError where one run is there twice, or was made again with the same draws: it is one sample, not two."""
    seen: dict[tuple[str, object], Path] = {}
    for run in runs:
        draws = (run.header.seed, run.header.offset_s) if run.header.world == SIMULATION else None
        for key in (("folder", run.folder.resolve()), ("draws", draws), ("history", run.result.digest or None)):
            if key[1] is None:
                continue
            if key in seen:
                what = "the same run" if key[0] == "folder" else "equal runs, as of one seed"
                raise UsageError(
                    f"{name}: {seen[key]} and {run.folder} are {what}",
                    hint="name each run once; runs of other seeds are other episodes",
                )
            seen[key] = run.folder


def _require_alike(name: str, runs: tuple[RecordedRun, ...]) -> None:
    first = runs[0].header
    for run in runs[1:]:
        for what in ("experiment", "world", "posture", "parameters", "clock_rate"):
            if getattr(run.header, what) != getattr(first, what):
                raise UsageError(
                    f"{name}: {run.folder} has another {what.replace('_', ' ')} than {runs[0].folder}",
                    hint="a side is many runs of one thing; name the others on the other side",
                )
