"""How long the bundled incident takes in real time: simulated with and without its controls, and on processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.one_run import EXPERIMENT, RunFigures
from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import ROOT, Home, own_home

CLI = (sys.executable, "-c", "from brownout.harness.cli import main; main()", "run", EXPERIMENT, "--expect", "breach", "--json")
TIMEOUT_S = {"simulation": 90.0, "processes": 400.0}


@dataclass(frozen=True, slots=True)
class Settings:
    """`commands` are the worlds in which the whole `brownout run` is timed, with how many rounds of each."""

    rounds: int = 3
    controls: bool = True
    commands: tuple[tuple[str, int], ...] = (("simulation", 2),)


class ExperimentWall(Figures):
    """`simulation_run_s` is from file to verdict; `command_s` by world is `brownout run`, its start and its reports included.

    `controls_ratio` is with controls over without, within one round.
    """

    experiment: str
    verdict: str
    requests: int
    simulation_run_s: Spread
    simulation_run_with_controls_s: Spread | None
    controls_ratio: Spread | None
    command_s: Mapping[str, Spread]


def measure(settings: Settings) -> ExperimentWall:
    with own_home() as home:
        alone = [_run(home, f"alone-{number}") for number in range(settings.rounds)]
        numbers = range(settings.rounds if settings.controls else 0)
        controlled = [_run(home, f"controlled-{number}", "--controls") for number in numbers]
        command_s = {world: Spread.of(_command_s(home, world) for _ in range(count)) for world, count in settings.commands}
    pairs = zip(controlled, alone, strict=False)
    return ExperimentWall(
        experiment=EXPERIMENT,
        verdict=alone[0].verdict,
        requests=alone[0].requests,
        simulation_run_s=Spread.of(each.run_s for each in alone),
        simulation_run_with_controls_s=Spread.of(each.run_s for each in controlled) if controlled else None,
        controls_ratio=Spread.of(with_.run_s / without.run_s for with_, without in pairs) if controlled else None,
        command_s=command_s,
    )


def _run(home: Home, name: str, *flags: str) -> RunFigures:
    command = (sys.executable, "-m", "benchmarks.one_run", str(home.folder / name), *flags)
    return RunFigures.model_validate_json(_output(command, timeout_s=TIMEOUT_S["simulation"]))


def _command_s(home: Home, world: str) -> float:
    out: Path = home.folder / "runs"
    started_s = time.perf_counter()
    _output((*CLI, "--world", world, "--out", str(out)), timeout_s=TIMEOUT_S[world])
    return time.perf_counter() - started_s


def _output(command: tuple[str, ...], *, timeout_s: float) -> bytes:
    """What a command prints; raises RuntimeError with its last output when it fails, TimeoutExpired when it hangs."""
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"a run ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """As a user's: with bytecode kept from one start to the next."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def rows(figures: ExperimentWall) -> tuple[Row, ...]:
    name = f"`{figures.experiment}`"
    found = [Row(f"{name} simulated, {figures.requests:,} requests, no controls", text(figures.simulation_run_s, "s"))]
    if figures.simulation_run_with_controls_s is not None and figures.controls_ratio is not None:
        found.append(Row("- with its controls", text(figures.simulation_run_with_controls_s, "s"), "under 5 s"))
        found.append(Row("- with controls over without", text(figures.controls_ratio, "times")))
    for world, took in figures.command_s.items():
        aim = "under 3 s" if world == "simulation" else ""
        found.append(Row(f"`brownout run` in {world}, the whole command", text(took, "s"), aim))
    return tuple(found)


BENCHMARK = Benchmark(
    name="experiment_wall",
    title="The incident replayed",
    about="The run of `processes` is measured with `--long` only: it takes about two minutes.",
    figures=ExperimentWall,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, controls=False, commands=()),
    long=Settings(commands=(("simulation", 2), ("processes", 1))),
)
