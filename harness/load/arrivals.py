"""The load plan: cohorts and their arrivals, decided by the seed before anything runs.

Arrivals are open-loop and on an absolute schedule in emulated time, so every world issues the very same requests and a
stall of the service cannot thin them out (closed-loop waits reported 99.0 % good where 85.7 % was true:
docs/reference/statistics.md#open-loop-load). Within a cohort the gaps are exponential, each from a keyed draw, cut so
that the count over the plan is the planned one.

A plan that has no end to speak of is made block by block (`block_s`): the count is then the planned one in every block,
so that a load of days costs no more to plan than one of minutes.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from brownout.harness.base.seeded import Draws
from brownout.harness.load.watch import Watch

Model = Literal["token", "management", "resource", "provision"]


class Cohort(BaseModel):
    """Clients that behave alike.

    `model` picks the client model; `machines` are base names of machines, taken in turn by draw: plain machines for
    warm clients, scale sets for clients that each arrive on a machine never seen before. `mix` weighs operations
    (management, provision) and `homes` weighs the home region of the identities concerned.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: Model
    region: str
    rate_per_s: PositiveFloat = Field(description="arrivals per emulated second")
    machines: tuple[str, ...] = ()
    fresh: bool = Field(False, description="every arrival comes from a machine that has just been scaled out")
    resource: str = "https://vault.azure.net"
    mix: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)
    homes: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)
    front_ends: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One client turning up: who, when, where, and what it wants. `index` counts its cohort's arrivals from 0."""

    id: str
    at_s: float
    cohort: str
    model: Model
    region: str
    machine: str
    operation: str
    home: str
    resource: str
    front_end: str = ""
    index: int = 0


class LoadPlan(BaseModel):
    """All that a load driver needs; serialised to JSON for the Locust process.

    `start_s` and `end_s` are emulated epoch seconds. `deadline_ms` is the client's time-out in network time, counted
    from the intended send. `urls` maps `client->NODE` links to base URLs (empty in the simulation); `clock` tells a
    process how to turn its monotonic clock into emulated time: `{"epoch_s", "monotonic_s", "rate"}`.

    A plan in blocks of `block_s` emulated seconds belongs to a load by hand: it begins when its generator is ready, and what
    would have been sent while it is paused from the web page is not planned. Otherwise that is written down as late.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    start_s: float
    end_s: float
    cohorts: tuple[Cohort, ...]
    deadline_ms: PositiveInt = 2000
    tenant_id: str = ""
    subscription_id: str = ""
    user_token: str = ""
    urls: Mapping[str, str] = Field(default_factory=dict)
    clock: Mapping[str, float] = Field(default_factory=dict)
    block_s: PositiveFloat | None = None
    watch: Watch = Watch()


def arrivals(plan: LoadPlan, *, after_s: float = -math.inf) -> Iterator[Arrival]:
    """Every arrival of the plan in order of time, a pure function of the plan.

    With `after_s` some or all of those before that time are left out: whole blocks, which then cost nothing.
    """
    merged = (_cohort_arrivals(plan, cohort, after_s) for cohort in plan.cohorts)
    return heapq.merge(*merged, key=lambda a: (a.at_s, a.id))


def planned_count(plan: LoadPlan, cohort: Cohort) -> int:
    """How many arrivals the cohort has in the whole plan."""
    return round(cohort.rate_per_s * (plan.end_s - plan.start_s))


def operations_of(cohort: Cohort) -> tuple[str, ...]:
    """Every operation that an arrival of the cohort can have."""
    return tuple(name for name, weight in cohort.mix.items() if weight > 0) or (_DEFAULT_OPERATION[cohort.model],)


def _cohort_arrivals(plan: LoadPlan, cohort: Cohort, after_s: float) -> Iterator[Arrival]:
    chances = {what: Draws(plan.seed, what, cohort.name) for what in ("gap", "machine", "operation", "home", "front-end")}
    first = 0
    for start_s, end_s in _blocks(plan):
        after = round(cohort.rate_per_s * (end_s - plan.start_s))
        if end_s > after_s:
            yield from _block_arrivals(cohort, range(first, after), start_s, end_s, chances)
        first = after


def _blocks(plan: LoadPlan) -> Iterator[tuple[float, float]]:
    """The plan's blocks in emulated time; the whole plan is one when it is not made in blocks."""
    length_s = plan.block_s or plan.end_s - plan.start_s
    for number in count():
        start_s = plan.start_s + number * length_s
        if start_s >= plan.end_s:
            return
        yield start_s, min(plan.end_s, start_s + length_s)


def _block_arrivals(
    cohort: Cohort, indexes: range, start_s: float, end_s: float, chances: Mapping[str, Draws]
) -> Iterator[Arrival]:
    # One gap more than arrivals: the last one leads to the end of the block.
    gaps = [-math.log(1.0 - chances["gap"].at(index)) for index in range(indexes.start, indexes.stop + 1)]
    scale = (end_s - start_s) / math.fsum(gaps)
    elapsed = 0.0
    for index, gap in zip(indexes, gaps, strict=False):
        elapsed += gap
        yield _arrival(cohort, index, start_s + elapsed * scale, chances)


def _arrival(cohort: Cohort, index: int, at_s: float, chances: Mapping[str, Draws]) -> Arrival:
    machine = _pick_even(cohort.machines, chances["machine"].at(index))
    return Arrival(
        id=f"{cohort.name}-{index:06d}",
        at_s=at_s,
        cohort=cohort.name,
        model=cohort.model,
        region=cohort.region,
        machine=f"{machine}_{index}" if cohort.fresh else machine,
        operation=_pick(cohort.mix, chances["operation"].at(index)) or _DEFAULT_OPERATION[cohort.model],
        home=_pick(cohort.homes, chances["home"].at(index)) or cohort.region,
        resource=cohort.resource,
        front_end=_pick(cohort.front_ends, chances["front-end"].at(index)) or "arm",
        index=index,
    )


_DEFAULT_OPERATION: Mapping[str, str] = {
    "token": "token",
    "management": "list",
    "resource": "secret",
    "provision": "provision-system",
}


def _pick_even(names: tuple[str, ...], chance: float) -> str:
    return names[int(chance * len(names))] if names else ""


def _pick(weights: Mapping[str, float], chance: float) -> str:
    """The name at `chance` of the weights' running total, "" when there are none."""
    target = chance * sum(weights.values())
    last = ""
    for name, weight in weights.items():
        if weight <= 0:
            continue
        target -= weight
        last = name
        if target < 0:
            break
    return last


def plan_json(plan: LoadPlan) -> dict[str, Any]:
    """The plan as plain data for another process."""
    return plan.model_dump(mode="json")
