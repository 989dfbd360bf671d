"""The search for schedules, measured by planted bugs: within how many schedules each is found, and how far it is shrunk."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from benchmarks.report import Benchmark, Figures, Part, Row, rounded
from brownout.harness.base.resources.worker_pool import usable_cores, worker_pool
from brownout.suites.search.bugs import BUGS, Hunt, hunt
from brownout.suites.search.campaign import Plan, carry_out_chunk, totals
from brownout.suites.search.grounds import names

SEED = 1
WORKERS = 2
AIM_PER_S = 50


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`bugs` names some, all when empty; `chunks` of schedules are carried out for the rate."""

    bugs: tuple[str, ...] = ()
    chunks: int = 20
    shrinks: bool = True


class BugFound(Part):
    """One planted bug. `schedules` until it was found, of a `budget`; acts as found and as shrunk."""

    bug: str
    is_found: bool
    schedules: int
    budget: int
    cpu_s: float
    broken: str = ""
    acts_found: int = 0
    acts_left: int = 0
    trials: int = 0
    shrink_cpu_s: float = 0.0
    least: str = ""


class SearchFigures(Figures):
    """`cpu_ms` is CPU time for each schedule; `per_s` is the rate of `workers` processes on the machine as it was."""

    bugs: tuple[BugFound, ...]
    schedules: int
    cpu_ms: float
    per_s: float
    workers: int


def measure(settings: SearchSettings) -> SearchFigures:
    chosen = [bug for bug in BUGS if not settings.bugs or bug.name in settings.bugs]
    workers = min(WORKERS, usable_cores())
    with worker_pool(workers, start="spawn") as pool:
        hunts = list(pool.map(partial(hunt, seed=SEED, shrinks=settings.shrinks), chosen))
        list(pool.map(partial(carry_out_chunk, Plan(grounds=names(), seed=SEED, size=1)), range(2 * workers)))  # warm
        began_s = time.perf_counter()
        plan = Plan(grounds=names(), seed=SEED)
        done = list(pool.map(partial(carry_out_chunk, plan), range(settings.chunks)))
        took_s = time.perf_counter() - began_s
    schedules, cpu_s, _, _ = totals(done)
    return SearchFigures(
        bugs=tuple(map(_told, hunts)),
        schedules=schedules,
        cpu_ms=rounded(1000 * cpu_s / schedules),
        per_s=rounded(schedules / took_s),
        workers=workers,
    )


def _told(one: Hunt) -> BugFound:
    found, least = one.found, one.minimal
    return BugFound(
        bug=one.bug.name,
        is_found=found is not None,
        schedules=one.schedules,
        budget=one.bug.budget,
        cpu_s=rounded(one.cpu_s),
        broken="" if found is None else found.broken,
        acts_found=0 if found is None else len(found.schedule.acts),
        acts_left=0 if least is None else len(least.schedule.acts),
        trials=0 if least is None else least.trials,
        shrink_cpu_s=rounded(one.shrink_cpu_s),
        least="" if least is None else least.schedule.label(),
    )


def rows(figures: SearchFigures) -> tuple[Row, ...]:
    told = []
    for one in figures.bugs:
        if one.is_found:
            shrunk = f"{one.acts_found} acts, {one.acts_left} left after {one.trials} trials ({one.shrink_cpu_s:g} s of CPU)"
            value = f"schedule {one.schedules}, {one.cpu_s:g} s of CPU; {shrunk}: {one.least}"
        else:
            value = f"not found in {one.schedules}"
        told.append(Row(one.bug, value, f"within {one.budget}"))
    rate = f"{figures.cpu_ms:g} ms of CPU each; {figures.per_s:g} a second by {figures.workers} processes"
    return (*told, Row(f"schedules without a bug ({figures.schedules})", rate, f"{AIM_PER_S} a second on two cores"))


BENCHMARK = Benchmark(
    name="search_bugs",
    title="The search finds planted bugs",
    about=(
        "Each bug is planted alone and searched for with one seed on its vendor's ground, then shrunk to the acts that matter. "
        "CPU seconds are of one process; the last row is about schedules of both grounds in turn, with no bug planted."
    ),
    figures=SearchFigures,
    measure=measure,
    rows=rows,
    full=SearchSettings(),
    tiny=SearchSettings(bugs=("publisher-gives-up",), chunks=1, shrinks=False),
)
