"""Figures of episodes that were struck in a live world, and their rows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.crash_episodes import Aftermath, Draw, Ground, carried_out, drawn
from benchmarks.report import Figures, Part, Row, Spread
from benchmarks.stands import own_home
from brownout.harness.base.resources.worker_pool import worker_pool


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """So many episodes, each drawn by `seed` and its number, and `jobs` of them side by side."""

    kills: int
    seed: int = 1
    jobs: int = 1


class EpisodeRow(Part):
    """All episodes with one set of victims. Those that came to no blow are in `unstruck` and nowhere else."""

    whom: str
    episodes: int
    broken: int
    unstruck: int
    run_codes: Mapping[str, int]
    next_codes: Mapping[str, int]


class EpisodeFigures(Figures):
    """`healed_s` is real time from the blow until the ledger is closed, where the guardian alone healed."""

    struck: tuple[EpisodeRow, ...]
    healed_s: Spread | None
    problems: tuple[str, ...]
    unstruck: tuple[str, ...]


def measure(ground: Ground, settings: EpisodeSettings) -> EpisodeFigures:
    """Carries the episodes out, and says on stderr how each ended."""
    ended: list[tuple[Draw, Aftermath]] = []
    draws = [drawn(ground, number, settings.seed) for number in range(settings.kills)]
    # Each in a process of its own, since a state folder is named by the environment; forked, so that none is imported anew.
    with worker_pool(settings.jobs, start="fork") as pool:
        for number, (draw, after) in enumerate(zip(draws, pool.map(partial(_alone, ground), draws), strict=True), 1):
            ended.append((draw, after))
            how = "; ".join(after.problems) or (f"not struck: {after.unstruck}" if after.unstruck else "kept")
            print(f"{number} of {settings.kills}: {draw}: {how}", file=sys.stderr, flush=True)
    return figures_of(ended)


def _alone(ground: Ground, draw: Draw) -> Aftermath:
    with own_home() as home:
        return carried_out(ground, home, draw)


def figures_of(ended: Iterable[tuple[Draw, Aftermath]]) -> EpisodeFigures:
    """The episodes by their victims."""
    told: dict[str, list[Aftermath]] = {}
    problems, unstruck = [], []
    for draw, after in ended:
        told.setdefault(" and ".join(draw.victims), []).append(after)
        problems += [f"{draw}: {problem}" for problem in after.problems]
        unstruck += [f"{draw}: {after.unstruck}"] if after.unstruck else []
    struck = [after for found in told.values() for after in found if not after.unstruck]
    healed_s = [after.healed_s for after in struck if after.healed_s is not None]
    return EpisodeFigures(
        struck=tuple(_row(whom, found) for whom, found in told.items()),
        healed_s=Spread.of(healed_s) if healed_s else None,
        problems=tuple(problems),
        unstruck=tuple(unstruck),
    )


def _row(whom: str, found: list[Aftermath]) -> EpisodeRow:
    struck = [after for after in found if not after.unstruck]
    return EpisodeRow(
        whom=whom,
        episodes=len(struck),
        broken=sum(bool(after.problems) for after in found),
        unstruck=len(found) - len(struck),
        run_codes=Counter("killed" if after.run_code is None else str(after.run_code) for after in struck),
        next_codes=Counter(str(after.next_code) for after in struck),
    )


def rows(figures: EpisodeFigures, ground: Ground) -> tuple[Row, ...]:
    """The rows of a world's figures, towards its aim and its guardians' bound."""
    episodes, broken = sum(one.episodes for one in figures.struck), sum(one.broken for one in figures.struck)
    unstruck = sum(one.unstruck for one in figures.struck)
    more = f"; {unstruck} more were not struck" if unstruck else ""
    told = [Row("episodes", f"{episodes}, {broken} with a promise broken{more}", f"{ground.aim}, none broken")]
    for one in figures.struck:
        codes = ", ".join(f"{code}: {times}" for code, times in sorted(one.run_codes.items()))
        after = ", ".join(f"{code}: {times}" for code, times in sorted(one.next_codes.items()))
        value = f"{one.episodes}, {one.broken} broken"
        if one.episodes:
            value += f"; its command's exit codes {codes}; the next command's {after}"
        told.append(Row(f"- {one.whom}", value))
    if figures.healed_s is not None:
        value = f"{figures.healed_s.median:g} s (up to {figures.healed_s.high:g}, {figures.healed_s.rounds} episodes)"
        told.append(Row("from a kill of the run to healed by its guardian alone", value, f"under {ground.bound_s:g} s"))
    broken_ones = dict.fromkeys(" ".join(each.split()) for each in figures.problems)
    return (*told, *(Row("broken", each) for each in broken_ones), *(Row("not struck", each) for each in figures.unstruck))
