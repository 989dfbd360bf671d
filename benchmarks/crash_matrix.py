"""Kills and stops at every step boundary of every fault: what is left behind, who heals it, and how soon."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from benchmarks.crash_cases import Case, Stand, carriers_of, cases, sampled, temporary
from benchmarks.crash_faults import FAULTS
from benchmarks.crashes import BOUND_S, Ending
from benchmarks.report import Benchmark, Figures, Part, Row, Spread, rounded
from brownout.harness.base.resources.worker_pool import worker_pool

OTHERWISE = "without a command"


@dataclass(frozen=True, slots=True)
class CrashSettings:
    """`kills` are so many of all cases, drawn by `seed`; 0 carries all of them out."""

    kills: int = 0
    seed: int = 1


class Struck(Part):
    """All crashes of one victim: of how many a promise was `broken`, and how often which healer and exit code came next."""

    whom: str
    crashes: int
    broken: int
    healed_by: Mapping[str, int]
    exit_codes: Mapping[int, int]


class CrashFigures(Figures):
    """`healed_s` is emulated time from a kill to the last row's close, where the guardian alone healed."""

    faults: int
    possible: int
    struck: tuple[Struck, ...]
    healed_s: Spread | None
    problems: tuple[str, ...] = Field(description="the first of each kind")
    crashes_per_s: float

    @property
    def crashes(self) -> int:
        return sum(one.crashes for one in self.struck)

    @property
    def broken(self) -> int:
        return sum(one.broken for one in self.struck)


def measure(settings: CrashSettings) -> CrashFigures:
    started_s, names = time.perf_counter(), tuple(FAULTS)
    logging.disable(logging.CRITICAL)  # a guardian logs what it does, thousands of times here
    try:
        with worker_pool(min(2, os.cpu_count() or 1), start="fork") as pool:
            listed = [case for found in pool.map(_listed, names) for case in found]
            chosen = sampled(listed, settings.kills, settings.seed)
            parts = [[case for case in chosen if case.kind == name] for name in names]
            endings = [each for found in pool.map(carried_out, parts) for each in found]
    finally:
        logging.disable(logging.NOTSET)
    return CrashFigures(
        faults=len(names),
        possible=len(listed),
        struck=_struck(chosen, endings),
        healed_s=_spread(ending.healed_s for ending in endings if ending.healed_s),
        problems=_problems(chosen, endings),
        crashes_per_s=rounded(len(chosen) / (time.perf_counter() - started_s)),
    )


def _listed(kind: str) -> list[Case]:
    with temporary() as folder:
        stand = Stand(Path(folder))
        try:
            return list(cases(kind, stand.boundaries(kind), carriers_of(kind)))
        finally:
            stand.close()


def carried_out(chosen: Sequence[Case]) -> list[Ending]:
    """How each of the cases ended."""
    with temporary() as folder:
        stand = Stand(Path(folder))
        try:
            return [stand.carried_out(case) for case in chosen]
        finally:
            stand.close()


def _struck(chosen: Sequence[Case], endings: Sequence[Ending]) -> tuple[Struck, ...]:
    by_victim: dict[str, list[Ending]] = {}
    for case, ending in zip(chosen, endings, strict=True):
        by_victim.setdefault(case.whom, []).append(ending)
    return tuple(
        Struck(
            whom=whom,
            crashes=len(found),
            broken=sum(bool(ending.problems) for ending in found),
            healed_by=Counter(ending.healed_by or "the run" for ending in found),
            exit_codes=Counter(ending.exit_code for ending in found),
        )
        for whom, found in by_victim.items()
    )


def _spread(times_s: Iterable[float]) -> Spread | None:
    known = list(times_s)
    return Spread.of(known) if known else None


def _problems(chosen: Sequence[Case], endings: Sequence[Ending]) -> tuple[str, ...]:
    first: dict[tuple[str, str], str] = {}
    for case, ending in zip(chosen, endings, strict=True):
        for problem in ending.problems:
            first.setdefault((case.whom, problem[:40]), f"{case}: {problem}")
    return tuple(first.values())


def rows(figures: CrashFigures) -> tuple[Row, ...]:
    what = f"crashes of {figures.faults} faults, of {figures.possible:,} that there are"
    told = [Row(what, f"{figures.crashes:,}, {figures.broken} with a promise broken", "10,000, none broken")]
    for one in figures.struck:
        healers = {OTHERWISE if whom == "the run" else f"by the {whom}": times for whom, times in one.healed_by.items()}
        by = ", ".join(f"{whom} {times:,}" for whom, times in sorted(healers.items()))
        codes = ", ".join(f"{code}: {times:,}" for code, times in sorted(one.exit_codes.items()))
        told.append(Row(f"- {one.whom}", f"{one.crashes:,}, {one.broken} broken; healed {by}; exit codes {codes}"))
    if figures.healed_s is not None:
        spread = figures.healed_s
        value = f"{spread.median:g} s emulated (up to {spread.high:g}, {spread.rounds:,} crashes)"
        told.append(Row("from a kill of the run to healed by its guardian alone", value, f"under {BOUND_S:g} s and settling"))
    told.append(Row("crashes carried out", f"{figures.crashes_per_s:g} per s"))
    return (*told, *(Row("broken", problem) for problem in figures.problems))


BENCHMARK = Benchmark(
    name="crash_matrix",
    title="Nothing is left behind when a process dies",
    about="Each fault in the simulation, with the ledger's, guardian's and recovery's own code; at each boundary between two "
    "steps of the run, or of the undo after it, a victim is killed or stopped for longer than the lease. It is healed by the "
    "guardian alone or by the next command; without one where the run reverted it, or its guardian while the run was stopped, "
    "or nothing was in place. A row is one victim, or several at once.",
    figures=CrashFigures,
    measure=measure,
    rows=rows,
    full=CrashSettings(),
    tiny=CrashSettings(kills=200),
)
