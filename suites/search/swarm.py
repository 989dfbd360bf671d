"""Schedules by chance: a pure function of the seed, the chunk and the number within it.

Theory. A schedule with a bit of everything finds less than one with much of little. So each chunk draws the kinds of acts and
the clients that it uses, and its schedules draw from those alone (swarm testing). A schedule further draws how its acts lie to
each other: anywhere, overlapping, or at places that have a region or a node in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from brownout.harness.base.keyed_random import keyed_stream
from brownout.suites.search.domains import drawable_kinds, drawn_params
from brownout.suites.search.grounds import Ground
from brownout.suites.search.schedule import Act, FaultSchedule, window_s

GRID_S = 5
MOST_ACTS = 5
SHORTEST_S = 5
LASTING_SHARE = 0.15  # of the acts lasts to the end of the phase: what a lifetime hides shows after it alone
KINDS_SHARE, COHORTS_SHARE = 0.4, 0.5
Bias = Literal["anywhere", "overlapping", "related"]
BIASES: tuple[Bias, ...] = ("anywhere", "overlapping", "related")
TRIES = 20


def chunk_of(ground: Ground, seed: int, chunk: int, size: int, *, planted: Sequence[str] = ()) -> tuple[FaultSchedule, ...]:
    """The schedules of one chunk."""
    chance = keyed_stream(seed, "search-chunk", ground.name, chunk)
    kinds = _some(drawable_kinds(ground), KINDS_SHARE, chance)
    cohorts = _some(tuple(cohort.name for cohort in ground.experiment.load.cohorts), COHORTS_SHARE, chance)
    return tuple(
        drawn(ground, kinds, cohorts, keyed_stream(seed, "search", ground.name, chunk, number), planted=planted)
        for number in range(size)
    )


def drawn(
    ground: Ground, kinds: Sequence[str], cohorts: Sequence[str], chance: Random, *, planted: Sequence[str] = ()
) -> FaultSchedule:
    """One schedule of these kinds of acts and clients."""
    bias = BIASES[int(chance.random() * len(BIASES))]
    number = 1 + int(chance.random() * min(MOST_ACTS, len(kinds) + 1))
    acts: list[Act] = []
    for _ in range(number):
        act = _act(ground, kinds, bias, acts, chance)
        if act is not None:
            acts.append(act)
    seed = int(chance.random() * 2**31)
    return FaultSchedule(ground=ground.name, seed=seed, acts=(), cohorts=tuple(cohorts), planted=tuple(planted)).with_acts(acts)


def _act(ground: Ground, kinds: Sequence[str], bias: Bias, before: Sequence[Act], chance: Random) -> Act | None:
    for _ in range(TRIES):
        kind = kinds[int(chance.random() * len(kinds))]
        params = drawn_params(kind, ground, chance)
        if params is None or (bias == "related" and before and not _related(params, before) and chance.random() < 0.9):
            continue
        at_s, for_s = _times(window_s(ground.experiment), bias, before, chance)
        return Act(kind=kind, params=params, at_s=at_s, for_s=for_s)
    return None


def _times(window: int, bias: Bias, before: Sequence[Act], chance: Random) -> tuple[int, int]:
    """When an act begins and how long it stays, on a grid.

    Short and long ones are as frequent, besides those that last as long as they may.
    """
    at_s = _on_grid(chance.random() * (window - SHORTEST_S))
    if bias != "anywhere" and before and chance.random() < 0.8:
        other = before[int(chance.random() * len(before))]
        at_s = min(_on_grid(other.at_s + chance.random() * other.for_s), window - SHORTEST_S)
    longest = window - at_s
    if chance.random() < LASTING_SHARE:
        return at_s, longest
    return at_s, max(SHORTEST_S, min(longest, _on_grid(SHORTEST_S * (longest / SHORTEST_S) ** chance.random())))


def _on_grid(value_s: float) -> int:
    return round(value_s / GRID_S) * GRID_S


def _related(params: dict[str, object], before: Sequence[Act]) -> bool:
    """Whether a place that it names is one that an earlier act names too."""
    places = {str(value) for act in before for value in act.params.values()}
    return any(str(value) in places for value in params.values())


def _some(names: Sequence[str], share: float, chance: Random) -> tuple[str, ...]:
    """Each of the names with that chance, one at least."""
    found = tuple(name for name in names if chance.random() < share)
    return found or (names[int(chance.random() * len(names))],)
