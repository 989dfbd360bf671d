"""Flakes of our own experiments: each bundled one again and again in the simulation, and how often another verdict came out.

Each run has a seed and an offset of its own, drawn from one seed, as in `brownout run --episodes`. A disagreement is a verdict
that is not the one which the posture in the experiment's file expects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Benchmark, Figures, Part, Row
from brownout.harness.api import Options
from brownout.harness.experiment import plugins
from brownout.harness.experiment.loader import read
from brownout.harness.series.run import carry_out_series, prepare_series

SEED = 1
AIM = "at most 1 of 20"


@dataclass(frozen=True, slots=True)
class FlakeSettings:
    """How many runs of each experiment; `only` names some, all bundled ones when empty."""

    runs: int
    only: tuple[str, ...] = ()


class ExperimentFlakes(Part):
    """One experiment's runs: how often each verdict came out, and the seed and offset of each that was not expected."""

    posture: str
    expected: str
    runs: int
    verdicts: Mapping[str, int]
    disagreements: int
    unexpected: tuple[str, ...]


class Flakes(Figures):
    by_experiment: Mapping[str, ExperimentFlakes]


def measure(settings: FlakeSettings) -> Flakes:
    found = {}
    for name in settings.only or sorted(plugins.experiments()):
        with TemporaryDirectory() as folder:
            found[name] = _flakes(plugins.experiments()[name], settings.runs, Path(folder))
    return Flakes(by_experiment=found)


def _flakes(file: Path, runs: int, folder: Path) -> ExperimentFlakes:
    series = prepare_series(read(file), Options(seed=SEED, out=folder), runs)
    result = carry_out_series(series).result
    other = [one for one in result.episodes if one.verdict != series.plan.posture_expects]
    return ExperimentFlakes(
        posture=series.plan.posture,
        expected=series.plan.posture_expects,
        runs=len(result.episodes),
        verdicts=dict(Counter(one.verdict for one in result.episodes)),
        disagreements=len(other),
        unexpected=tuple(f"seed {one.seed}, offset {one.offset_s:g} s: {one.verdict}, {one.why}" for one in other),
    )


def rows(figures: Flakes) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{name}, posture {found.posture}, expected {found.expected}",
            f"{found.disagreements} of {found.runs} disagree",
            AIM,
        )
        for name, found in figures.by_experiment.items()
    )


BENCHMARK = Benchmark(
    name="flakes",
    title="Flakes of the bundled experiments",
    about=(
        "Each bundled experiment in the simulation, each time with another seed and offset; the posture of its file. "
        "The results name the seed of each run that disagrees, and why."
    ),
    figures=Flakes,
    measure=measure,
    rows=rows,
    full=FlakeSettings(runs=20),
    tiny=FlakeSettings(runs=1, only=("link-cut",)),
)
