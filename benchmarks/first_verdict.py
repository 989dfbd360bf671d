"""How long a new user waits for a first verdict: from an empty folder to the end of a sample's experiment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import ROOT, own_home

Sample = Literal["fastapi", "worker"]
EXTRAS: Mapping[Sample, str] = {"fastapi": "load", "worker": "aws,load"}
EXPERIMENT = "as-is.brownout.yaml"
STEP_TIMEOUT_S = 300.0
VERDICT_CODES = frozenset({0, 1, 3})  # of `brownout run`: it has judged the run
AIM = "under 180 s"
# The steps in their order, as docs/samples.md has them, with what each is called in the table.
STEPS: Mapping[str, str] = {
    "environment": "`python -m venv`",
    "install": "installing the wheel with its extras",
    "setup": "`brownout setup`, with a Toxiproxy that is there",
    "init": "`brownout init app`",
    "packages": "installing the sample's packages",
    "run": "`brownout run`, to the verdict",
}
# Times of the sample's experiment and those of a run that is too short to mean anything.
_SHORT = {
    '"09:00:05"': '"09:00:01"',
    '"09:00:15"': '"09:00:03"',
    '"09:00:30"': '"09:00:07"',
    '"09:00:37"': '"09:00:09"',
    "edge: 3s": "edge: 1s",
}


@dataclass(frozen=True, slots=True)
class Settings:
    sample: Sample = "fastapi"
    rounds: int = 3
    short: bool = False


class FirstVerdict(Figures):
    """`steps_s` is by step of `STEPS`; `total_s` is from the empty folder to the verdict. `verdicts` counts them by name."""

    sample: str
    experiment: str
    wheel_mb: float
    steps_s: Mapping[str, Spread]
    total_s: Spread
    verdicts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Round:
    steps_s: Mapping[str, float]
    total_s: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A user's empty folder, and the shell in it: the virtual environment is active, nothing of the checkout is visible."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / ".venv" / "bin"

    def run(self, *command: str | Path, codes: frozenset[int] = frozenset({0})) -> str:
        """What the command prints; raises RuntimeError with its last words unless it ends with one of the codes."""
        words = [str(word) for word in command]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))}
        path = os.pathsep.join((str(self.bin), os.environ.get("PATH", os.defpath)))
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**kept, "PATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
        if done.returncode not in codes:
            raise RuntimeError(f"`{' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def install(self, *wanted: str, from_cache: bool) -> None:
        """Installs in the lock's versions, from uv's cache alone or with the registry, and compiles as pip does."""
        uv = Path(sys.executable).with_name("uv")
        lock = ROOT / "requirements" / "lock.txt"
        command = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--constraint", lock)
        self.run(*command, *(("--offline",) if from_cache else ()), "--python", self.bin / "python", *wanted)


def measure(settings: Settings) -> FirstVerdict:
    with own_home() as home:
        wheel = _built(home.folder / "wheel")
        wheel_mb = wheel.stat().st_size / 1_000_000
        _fill_cache(settings, wheel)
        rounds = [_round(settings, wheel) for _ in range(settings.rounds)]
    return FirstVerdict(
        sample=settings.sample,
        experiment=EXPERIMENT,
        wheel_mb=wheel_mb,
        steps_s={step: Spread.of(each.steps_s[step] for each in rounds) for step in STEPS},
        total_s=Spread.of(each.total_s for each in rounds),
        verdicts=dict(Counter(each.verdict for each in rounds)),
    )


def _built(folder: Path) -> Path:
    """The wheel of this checkout: a user downloads it, so its build is not in the figures."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the wheel was not built: {done.stderr.strip()[-500:]}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _fill_cache(settings: Settings, wheel: Path) -> None:
    """Installs once with the registry, in no round's time; raises RuntimeError.

    `make setup` leaves the lock's packages in uv's cache, but not what the registry says of them. To install from the cache
    alone takes that too, and of a package that has a newer release nothing else has asked for it.
    """
    with own_home() as home:
        newcomer = Newcomer(home.folder / "project")
        newcomer.folder.mkdir()
        newcomer.run(sys.executable, "-m", "venv", ".venv")
        newcomer.install(_named(settings, wheel), from_cache=False)
        newcomer.run("brownout", "init", "app", "--sample", settings.sample)
        newcomer.install("--requirement", "requirements.txt", from_cache=False)


def _named(settings: Settings, wheel: Path) -> str:
    """The wheel with the sample's extras, as installers are told it."""
    return f"brownout[{EXTRAS[settings.sample]}] @ {wheel.as_uri()}"


def _round(settings: Settings, wheel: Path) -> Round:
    with own_home() as home:
        newcomer = Newcomer(home.folder / "project")
        newcomer.folder.mkdir()
        marks_s = [time.perf_counter()]
        newcomer.run(sys.executable, "-m", "venv", ".venv")
        marks_s.append(time.perf_counter())
        newcomer.install(_named(settings, wheel), from_cache=True)
        marks_s.append(time.perf_counter())
        newcomer.run("brownout", "setup")
        marks_s.append(time.perf_counter())
        newcomer.run("brownout", "init", "app", "--sample", settings.sample)
        marks_s.append(time.perf_counter())
        newcomer.install("--requirement", "requirements.txt", from_cache=True)
        marks_s.append(time.perf_counter())
        if settings.short:
            _shorten(newcomer.folder / EXPERIMENT)
        told = newcomer.run("brownout", "run", EXPERIMENT, "--json", codes=VERDICT_CODES)
        marks_s.append(time.perf_counter())
    steps_s = (end_s - begin_s for begin_s, end_s in pairwise(marks_s))
    return Round(dict(zip(STEPS, steps_s, strict=True)), marks_s[-1] - marks_s[0], json.loads(told)["verdict"])


def _shorten(experiment: Path) -> None:
    """Makes the experiment last seconds; raises ValueError when it has other times than those that are known here."""
    written = experiment.read_text(encoding="utf-8")
    for long, short in _SHORT.items():
        if long not in written:
            raise ValueError(f"{experiment.name} has no {long}: mend `_SHORT`")
        written = written.replace(long, short)
    experiment.write_text(written, encoding="utf-8")


def rows(figures: FirstVerdict) -> tuple[Row, ...]:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in figures.verdicts.items())
    return (
        Row(f"empty folder to the verdict, sample `{figures.sample}`", text(figures.total_s, "s"), AIM),
        *(Row(f"- {STEPS[step]}", text(spread, "s")) for step, spread in figures.steps_s.items()),
        Row("verdicts", verdicts, "breach"),
    )


BENCHMARK = Benchmark(
    name="first_verdict",
    title="From an empty folder to a first verdict",
    about="The steps of [sample applications](samples.md), carried out with the wheel of this checkout. Packages come from "
    "uv's cache: a download is not in the figures, nor is the build of Toxiproxy (half a minute, once). The experiment "
    "itself lasts 37 s.",
    figures=FirstVerdict,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, short=True),
)
