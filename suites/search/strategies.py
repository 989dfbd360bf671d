"""Schedules as Hypothesis strategies: the same domains as the swarm's, and Hypothesis' own shrinking and database.

Phase `explain` is left out: it traces every line of the simulation and finds nothing that a shrunk schedule does not show.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from brownout.suites.search.domains import Choice, Domain, Range, domains, drawable_kinds, fault_class, fits
from brownout.suites.search.grounds import Ground
from brownout.suites.search.schedule import Act, FaultSchedule, window_s
from brownout.suites.search.swarm import GRID_S, MOST_ACTS, SHORTEST_S

SEARCHING = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def values(domain: Domain) -> st.SearchStrategy[Any]:
    """Values of a parameter, the simplest first."""
    match domain:
        case Choice(values=known):
            return st.sampled_from(known)
        case Range():
            return st.integers(0, 100).map(lambda percent: domain.at(percent / 100))


def params(kind: str, ground: Ground) -> st.SearchStrategy[dict[str, Any]]:
    """Parameters with which a fault of that kind can be made for the ground's stack."""
    made, known = fault_class(kind), domains(kind, ground)
    needed = {
        name: values(each) for name, each in known.items() if made.model_fields[name].is_required() or name in made.target
    }
    free = {name: values(each) for name, each in known.items() if name not in needed}
    return st.fixed_dictionaries(needed, optional=free).filter(lambda found: fits(kind, found, ground))


def acts(ground: Ground, kinds: tuple[str, ...] = ()) -> st.SearchStrategy[Act]:
    """Acts of these kinds, of all that can be drawn where none is named."""
    window = window_s(ground.experiment)
    starts = st.integers(0, (window - SHORTEST_S) // GRID_S).map(lambda step: step * GRID_S)
    lengths = st.integers(1, window // GRID_S).map(lambda step: step * GRID_S)

    def act(kind: str) -> st.SearchStrategy[Act]:
        def made(found: dict[str, Any], at_s: int, for_s: int) -> Act:
            return Act(kind=kind, params=found, at_s=at_s, for_s=min(for_s, window - at_s))

        return st.builds(made, params(kind, ground), starts, lengths)

    return st.sampled_from(kinds or drawable_kinds(ground)).flatmap(act)


def schedules(
    ground: Ground, *, planted: tuple[str, ...] = (), kinds: tuple[str, ...] = ()
) -> st.SearchStrategy[FaultSchedule]:
    """Schedules on the ground with some of its clients."""
    cohorts = tuple(cohort.name for cohort in ground.experiment.load.cohorts)
    chosen = st.lists(st.sampled_from(cohorts), min_size=1, unique=True)

    def made(seed: int, found: list[Act], clients: list[str]) -> FaultSchedule:
        there = tuple(name for name in cohorts if name in clients)
        bare = FaultSchedule(ground=ground.name, seed=seed, acts=(), cohorts=there, planted=planted)
        return bare.with_acts(found)

    return st.builds(made, st.integers(0, 999), st.lists(acts(ground, kinds), min_size=1, max_size=MOST_ACTS), chosen)
