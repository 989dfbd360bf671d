"""The load plan: cohorts and their arrivals, decided by the seed before anything runs.

Arrivals are open-loop and on an absolute schedule in emulated time, so every world issues the very same requests and a
stall of the service cannot thin them out (closed-loop waits reported 99.0 % good where 85.7 % was true:
docs/reference/statistics.md#open-loop-load). Within a cohort the gaps are exponential, each from a keyed draw, cut so
that the count over the plan is the planned one.

A plan without a real end is made block by block (`block_s`): the count is then the planned one in every block, and a load
of days costs no more to plan than one of minutes.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from operator import attrgetter
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt, StrictBool

from brownout.harness.base.durations import Duration
from brownout.harness.base.keyed_random import KeyedRandom
from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import OneLine, Real, Text
from brownout.harness.errors import UsageError
from brownout.harness.load.models import registry
from brownout.harness.load.models.asks import Ask, CommandAsk, HttpAsk
from brownout.harness.load.models.model import Account, Arrival, HomeOf, SignIn, above_zero
from brownout.harness.load.models.names import ModelName
from brownout.harness.load.retries import RetryName
from brownout.harness.load.watched_objectives import Watch
from brownout.identity.azure.hosts.endpoint import WITH_SECRETS
from brownout.identity.core.edge.names import NameCache

RATE_MAX_PER_S = 1e6
Weight = Annotated[Real, Field(ge=0, le=1e9)]


class NameCaches(FrozenModel):
    """The caches of names that a cohort's clients have before their region's resolver, `count` of them; each arrival uses one.

    Emulated times: `ttl` is for how long a cache keeps a record that leads somewhere, `negative_ttl` one that does not.
    """

    count: PositiveInt = Field(1, le=100_000, description="how many caches the clients share; each arrival uses one")
    ttl: Duration = Field(description="how long a cache keeps a record that leads somewhere, such as 5m")
    negative_ttl: Duration = Field(description="how long it keeps the answer that the name leads nowhere")

    def of(self, cohort: str, seed: int) -> tuple[NameCache, ...]:
        """The caches of that cohort; their first records are of every age, as after days of steady use."""
        ages = KeyedRandom(seed, "name-cache-age", cohort)
        return tuple(
            NameCache(f"{cohort}-{number}", self.ttl, self.negative_ttl, round(ages.at(number) * self.ttl, 3))
            for number in range(self.count)
        )


class Cohort(FrozenModel):
    """Clients that behave alike.

    `model` names the client model; `machines` are base names of machines, of which one is drawn for each arrival: plain
    machines and instances for warm clients, scale sets for clients that each arrive on a machine never seen before. In a plan
    `identity` is a resource id. `mix` weighs the model's operations, `front_ends` its front ends, and `homes` the home region
    of the identities concerned, for operations that name an identity.
    """

    name: OneLine = Field(description="its name in objectives and the report")
    model: ModelName = Field(description="what its clients do: a client model that is installed, or a Python file")
    region: OneLine = Field(description="where its clients are")
    rate_per_s: float = Field(gt=0, le=RATE_MAX_PER_S, description="arrivals per emulated second")
    machines: tuple[OneLine, ...] = Field((), description="base names of machines, one of which is drawn for each arrival")
    fresh: StrictBool = Field(False, description="every arrival comes from a machine that has just been scaled out")
    resource: Text = Field("https://vault.azure.net", description="the resource that tokens are asked for")
    endpoint: OneLine | None = Field(
        None, description="the kind of token endpoint by which they get tokens; the model's first by default"
    )
    identity: Text = Field(
        "", description="the user-assigned identity that they name when they ask for a token; none by default"
    )
    mix: Mapping[OneLine, Weight] = Field(
        default_factory=dict, description="how often each of the model's operations is chosen, by weight"
    )
    homes: Mapping[OneLine, Weight] = Field(
        default_factory=dict, description="home regions of the identities that operations name, by weight"
    )
    front_ends: Mapping[OneLine, Weight] = Field(default_factory=dict, description="front ends of the model, by weight")
    retry: RetryName = Field("none", description="how a client tries again: as the SDK of that name does")
    name_caches: NameCaches | None = Field(
        None, description="caches of names of their own, for clients that find the service by name"
    )
    http: HttpAsk | None = Field(None, description="what clients of the model http ask the subject for")
    command: CommandAsk | None = Field(None, description="what clients of the model command run")

    @property
    def ask(self) -> Ask | None:
        """What its clients ask the user's own application for; None where their model says it all."""
        return self.http or self.command


class SubjectPlace(FrozenModel):
    """Where the commands of a subject's clients run: its folder and, secrets included, its environment.

    `traceparent` is the trace that each request and command is part of, as W3C writes it; "" for none.
    """

    folder: str
    environment: Mapping[str, str] = Field(repr=False)
    traceparent: str = ""


class LoadPlan(FrozenModel):
    """All that a load driver needs; serialised to JSON for the Locust process.

    `start_s` and `end_s` are emulated epoch seconds. `deadline_ms` is the client's time-out in network time, counted
    from the intended send. `urls` maps `client->NODE` links to base URLs (empty in the simulation); `clock` tells a
    process how to turn its monotonic clock into emulated time: `{"epoch_s", "monotonic_s", "rate"}`. `machine_homes` has the
    home region of the identity that a machine gets a token for, "" for none, where it is not the machine's own region.
    `subject` is there where the run has one.

    A plan in blocks of `block_s` emulated seconds belongs to a load by hand. It begins when its generator is ready, and has
    no arrivals while it is paused from the web page. In any other plan, arrivals of such a time are logged as late.
    """

    seed: int
    start_s: float
    end_s: float
    cohorts: tuple[Cohort, ...]
    deadline_ms: PositiveInt = 2000
    account: Account = Account()
    urls: Mapping[str, str] = Field(default_factory=dict)
    clock: Mapping[str, float] = Field(default_factory=dict)
    block_s: PositiveFloat | None = None
    watch: Watch = Watch()
    machine_homes: Mapping[str, str] = Field(default_factory=dict)
    subject: SubjectPlace | None = None

    def signed_in(self, sign_in: SignIn) -> LoadPlan:
        """The same plan with what its clients sign in with."""
        return self.model_copy(update={"account": replace(self.account, sign_in=sign_in)})

    def timed_as(self, other: LoadPlan) -> LoadPlan:
        """The same plan in the time of another, that of the same run on a timeline that was moved."""
        return self.model_copy(update={"start_s": other.start_s, "end_s": other.end_s, "watch": other.watch})


def arrivals(plan: LoadPlan, *, after_s: float = -math.inf) -> Iterator[Arrival]:
    """Every arrival of the plan in order of time, a pure function of the plan.

    With `after_s`, blocks that end before that time are left out and cost nothing.
    """
    merged = (_cohort_arrivals(plan, cohort, after_s) for cohort in plan.cohorts)
    return heapq.merge(*merged, key=attrgetter("at_s", "id"))


def planned_count(plan: LoadPlan, cohort: Cohort) -> int:
    """How many arrivals the cohort has in the whole plan."""
    return round(cohort.rate_per_s * (plan.end_s - plan.start_s))


def asks_subject(cohort: Cohort) -> bool:
    """Whether its clients are those of the user's own application. A model that is not there any more is taken for one."""
    try:
        return registry.client_model(cohort.model).needs_subject
    except UsageError:
        return True


def asks_of(cohorts: Iterable[Cohort]) -> dict[str, Ask]:
    """What clients of the user's own application ask it for, by cohort."""
    return {cohort.name: cohort.ask for cohort in cohorts if cohort.ask is not None}


def operations_of(cohort: Cohort) -> tuple[str, ...]:
    """Every operation that an arrival of the cohort can have; raises UsageError when its client model cannot be used."""
    return tuple(registry.client_model(cohort.model).weights(cohort.mix))


def secret_endpoints(cohorts: Iterable[Cohort]) -> frozenset[str]:
    """The kinds of endpoints at which their clients have to show a secret of their machine; raises UsageError."""
    return frozenset(registry.client_model(each.model).endpoint_of(each.endpoint) for each in cohorts) & WITH_SECRETS


def _cohort_arrivals(plan: LoadPlan, cohort: Cohort, after_s: float) -> Iterator[Arrival]:
    choices = _Choices.of(plan, cohort)
    first = 0
    for start_s, end_s in _blocks(plan):
        after = round(cohort.rate_per_s * (end_s - plan.start_s))
        if end_s > after_s:
            yield from _block_arrivals(choices, range(first, after), start_s, end_s)
        first = after


def _blocks(plan: LoadPlan) -> Iterator[tuple[float, float]]:
    """The plan's blocks in emulated time; the whole plan is one when it is not made in blocks."""
    length_s = plan.block_s or plan.end_s - plan.start_s
    for number in count():
        start_s = plan.start_s + number * length_s
        if start_s >= plan.end_s:
            return
        yield start_s, min(plan.end_s, start_s + length_s)


def _block_arrivals(choices: _Choices, indexes: range, start_s: float, end_s: float) -> Iterator[Arrival]:
    # One gap more than arrivals: the last one leads to the end of the block.
    gaps = [-math.log(1.0 - choices.gaps.at(index)) for index in range(indexes.start, indexes.stop + 1)]
    scale = (end_s - start_s) / math.fsum(gaps)
    elapsed = 0.0
    for index, gap in zip(indexes, gaps, strict=False):
        elapsed += gap
        yield choices.arrival(index, start_s + elapsed * scale)


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A choice by weights above 0. `only` is what there is to choose while there are fewer than two, "" for nothing."""

    weights: tuple[tuple[str, float], ...]
    total: float
    draws: KeyedRandom
    only: str | None

    @classmethod
    def of(cls, weights: Mapping[str, float], draws: KeyedRandom) -> _Weighted:
        only = next(iter(weights), "") if len(weights) < 2 else None
        return cls(tuple(weights.items()), sum(weights.values()), draws, only)

    def at(self, index: int) -> str:
        """The name at the drawn share of the weights' running total."""
        if self.only is not None:
            return self.only  # without a draw: draws are keyed, so all others stay as they are
        target = self.draws.at(index) * self.total
        for name, weight in self.weights:
            target -= weight
            if target < 0:
                return name
        return name  # rounding may leave a rest


@dataclass(frozen=True, slots=True)
class _Choices:
    """What an arrival of one cohort can be, by weights above 0, and the keyed draws that choose.

    Its own copies of what arrivals share: reading an attribute of a pydantic model costs as much as a call.
    """

    cohort: str
    model: str
    region: str
    machines: tuple[str, ...]
    fresh: bool
    resource: str
    identity: str
    endpoint: str
    gaps: KeyedRandom
    machine_draws: KeyedRandom
    operation: _Weighted
    home: _Weighted
    front_end: _Weighted
    home_of: Mapping[str, HomeOf]
    machine_homes: Mapping[str, str]
    retry: str
    caches: tuple[str, ...]
    cache_draws: KeyedRandom

    @classmethod
    def of(cls, plan: LoadPlan, cohort: Cohort) -> _Choices:
        model = registry.client_model(cohort.model)
        front_ends = above_zero(cohort.front_ends) or {model.front_ends[0]: 1.0} if model.front_ends else {}

        def draws(what: str) -> KeyedRandom:
            return KeyedRandom(plan.seed, what, cohort.name)

        return cls(
            cohort=cohort.name,
            model=cohort.model,
            region=cohort.region,
            machines=cohort.machines,
            fresh=cohort.fresh,
            resource=cohort.resource,
            identity=cohort.identity,
            endpoint=model.endpoint_of(cohort.endpoint),
            gaps=draws("gap"),
            machine_draws=draws("machine"),
            operation=_Weighted.of(model.weights(cohort.mix), draws("operation")),
            home=_Weighted.of(above_zero(cohort.homes) or {cohort.region: 1.0}, draws("home")),
            front_end=_Weighted.of(front_ends, draws("front-end")),
            home_of={operation.name: operation.home_of for operation in model.operations},
            machine_homes=plan.machine_homes,
            retry="" if cohort.retry == "none" else cohort.retry,
            caches=() if cohort.name_caches is None else tuple(map(str, cohort.name_caches.of(cohort.name, plan.seed))),
            cache_draws=draws("name-cache"),
        )

    def arrival(self, index: int, at_s: float) -> Arrival:
        machine = self.machines[int(self.machine_draws.at(index) * len(self.machines))] if self.machines else ""
        operation, front_end = self.operation.only, self.front_end.only  # of one there is none to choose
        if operation is None:
            operation = self.operation.at(index)
        if front_end is None:
            front_end = self.front_end.at(index)
        return Arrival(  # in the order of its fields: naming fifteen of them costs as much as the draws
            f"{self.cohort}-{index:06d}",
            at_s,
            self.cohort,
            self.model,
            self.region,
            f"{machine}_{index}" if self.fresh else machine,
            operation,
            self._home(index, operation, machine),
            self.resource,
            front_end,
            index,
            self.retry,
            self.identity,
            self.caches[int(self.cache_draws.at(index) * len(self.caches))] if self.caches else "",
            self.endpoint,
        )

    def _home(self, index: int, operation: str, machine: str) -> str:
        """The home region of the identity that this operation is about, "" for none."""
        match self.home_of[operation]:
            case "machine":
                return self.machine_homes.get(machine, self.region)
            case "drawn":
                return self.home.at(index)
            case "region":
                return self.region
            case "none":
                return ""


def plan_json(plan: LoadPlan) -> dict[str, Any]:
    """The plan as plain data for another process."""
    return plan.model_dump(mode="json", by_alias=True)
