"""The figures that a monitoring system reads, as plain data. Counters only ever grow while a process lives.

The number of series is bounded by what the experiment or the stack names (cohorts, regions, objectives, steps, nodes, keys that
nodes hold now), never by what clients send or by how long a load runs. Nothing here is a secret: keys are named by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

MOST_NAMES = 3
FaultRole = Literal["fault", "operation", "mitigation"]


@dataclass(frozen=True, slots=True)
class RequestSeries:
    """The requests of a cohort in its region that have ended, since the load began.

    `within` has for each of `bounds_ms`, and last for everything above them, how many took no longer than that and longer than
    the bound before. `latency_ms` is the sum over all. `by_outcome` has `happened`, `refused` and `unknown`.
    """

    cohort: str
    region: str
    by_outcome: Mapping[str, int]
    good: int
    bounds_ms: tuple[float, ...]
    within: tuple[int, ...]
    latency_ms: float

    def __post_init__(self) -> None:
        assert len(self.within) == len(self.bounds_ms) + 1, "one count for each bound and one for what exceeds them all"


@dataclass(frozen=True, slots=True)
class ObjectiveSeries:
    """The requests that an objective is about. `burn_rate` is that of the last seconds, None when none ended in them."""

    name: str
    target: float
    total: int
    bad: int
    burn_rate: float | None


@dataclass(frozen=True, slots=True)
class FaultSeries:
    """A fault that was in place at some time: whether it is now, and whether its effect has been seen.

    `fault` is its kind, `step` its name in the experiment, `stack` the stack's id where one is known.
    """

    fault: str
    step: str
    target: str
    role: FaultRole
    active: bool
    bitten: bool
    stack: str = ""


@dataclass(frozen=True, slots=True)
class NodeSeries:
    """A node of a stack. `up` is None where it was not probed; `build` is "" for a node that has none."""

    node: str
    build: str
    up: bool | None = None
    stack: str = ""


@dataclass(frozen=True, slots=True)
class KeySeries:
    """A key at a node, by its id; `does` says what the node does with it (operate/status.py, KeyView)."""

    node: str
    does: str
    key_id: str
    kind: str = ""
    region: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class StackSeries:
    """A stack: whether it answers, and which world it is of."""

    stack: str
    world: str
    up: bool


@dataclass(frozen=True, slots=True)
class GeneratorSeries:
    """The load generator's own health: arrivals that fell due, were sent, were too late, or failed inside of it."""

    due: int
    sent: int
    late: int
    failed: int
    lag_p99_ms: float


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Everything that one process tells at one moment. `phases` says for each phase whether it is the present one.

    `about` describes the run or load in words, as labels of one info metric; `started_s` is the wall clock at its begin.
    """

    about: Mapping[str, str] = field(default_factory=dict)
    started_s: float | None = None
    requests: tuple[RequestSeries, ...] = ()
    objectives: tuple[ObjectiveSeries, ...] = ()
    faults: tuple[FaultSeries, ...] = ()
    phases: Mapping[str, bool] = field(default_factory=dict)
    nodes: tuple[NodeSeries, ...] = ()
    keys: tuple[KeySeries, ...] = ()
    stacks: tuple[StackSeries, ...] = ()
    generator: GeneratorSeries | None = None


def target_of(names: Iterable[str]) -> str:
    """The names of what a fault holds as one label: the first three, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    return ", ".join(known[:MOST_NAMES]) + more


def merged(faults: Iterable[FaultSeries]) -> tuple[FaultSeries, ...]:
    """One series for each fault, step and target, in place if any of its faults is: injecting adds none."""
    found: dict[tuple[str, ...], FaultSeries] = {}
    for one in faults:
        key = (one.stack, one.fault, one.step, one.target, one.role)
        if key not in found or one.active or not found[key].active:
            found[key] = one
    return tuple(found.values())
