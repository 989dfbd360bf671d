"""What may be drawn for each parameter of a fault: from the fault file's own declarations, and the names that a stack has.

Theory. A fault file says of each parameter its type and bounds, and by its name what it names (`node`, `link`, `region`, ...),
as all fault files do. So a new fault takes part in the search as soon as it is installed. A parameter whose name says nothing
here keeps its default; a fault that cannot be made without one is named by `undrawable`, and so is one that is about the half
of a vendor whom the ground's stack does not have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.stack import stack_of
from brownout.harness.fault import Fault
from brownout.harness.worlds.catalog import SIMULATION, WORLDS
from brownout.identity.core.settings import BUILDS
from brownout.identity.core.topology import StackSpec
from brownout.identity.names import endpoint_names
from brownout.suites.search.grounds import Ground

SHORTEST_S, LONGEST_S = 0.1, 90.0  # of a duration that is a parameter: what outlives the recovery is no search's business
MOST, MOST_SHARE = 8, 1.0
WORDS: Mapping[str, tuple[Any, ...]] = {
    "build": tuple(BUILDS),
    "set": ({"force_managed_key": True},),
    "user": ("caller", "admin"),
    "key_id": ("current", "manual", "managed"),
    "code": ("ServiceFailure", "Throttling"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these values, the simplest first."""

    values: tuple[Any, ...]

    def draw(self, chance: Random) -> Any:
        return self.values[int(chance.random() * len(self.values))]


@dataclass(frozen=True, slots=True)
class Range:
    """A number from `least` to `most`, small ones as often as large ones. Durations are told with their unit."""

    least: float
    most: float
    is_whole: bool = False
    is_duration: bool = False

    def draw(self, chance: Random) -> Any:
        return self.at(chance.random())

    def at(self, share: float) -> Any:
        """The value so far along the range, in equal steps of its logarithm."""
        low, high = self.least + 1.0, self.most + 1.0
        value = low * (high / low) ** share - 1.0
        if self.is_whole:
            return min(round(value), math.floor(self.most))
        value = max(self.least, min(self.most, round(value, 2)))
        return f"{value:g}s" if self.is_duration else value


Domain = Choice | Range


def drawable_kinds(place: Ground) -> tuple[str, ...]:
    """The installed faults that the simulation can carry out and that can be made for the ground's stack, by name."""
    abilities = WORLDS[SIMULATION].abilities
    return tuple(
        kind for kind, made in sorted(plugins.faults().items()) if made.needs <= abilities and not undrawable(kind, place)
    )


def undrawable(kind: str, place: Ground) -> str:
    """Why no parameters can be drawn for the fault; "" where they can."""
    vendor = fault_class(kind).vendor
    if vendor is not None and vendor not in place.spec.vendors:
        return f"it is about {vendor}'s half of a stack"
    known = domains(kind, place)
    lacking = [name for name, field in fault_class(kind).model_fields.items() if field.is_required() and name not in known]
    return f"nothing is known of its parameters {', '.join(lacking)}" if lacking else ""


def fault_class(kind: str) -> type[Fault]:
    """The fault of that kind: one of those that a search has imported anyway, or `plugins.fault_class`."""
    return plugins.faults().get(kind) or plugins.fault_class(kind)


def domains(kind: str, place: Ground) -> Mapping[str, Domain]:
    """By parameter what may be drawn for it; a parameter that is left out keeps its default."""
    return _domains(fault_class(kind), place)


@lru_cache(maxsize=1024)  # each act is drawn from them, and they stay the same
def _domains(made: type[Fault], place: Ground) -> Mapping[str, Domain]:
    words = vocabulary(place)
    found = ((name, _domain(name, field, words)) for name, field in made.model_fields.items())
    return {name: domain for name, domain in found if domain is not None}


@cache
def vocabulary(place: Ground) -> Mapping[str, tuple[Any, ...]]:
    """The names that a parameter of that name may have in the ground's stack, whatever its seed is.

    What the seed decides, such as an account's own name for sign-in, is left out: a schedule is tried with other seeds too,
    and the same file has to be sound with each.
    """
    other = stack_of(place.experiment, seed=place.spec.seed + 1, settings=place.spec.settings)
    found, again = _words(place.spec), _words(other)
    return {**WORDS, **{word: tuple(name for name in names if name in again[word]) for word, names in found.items()}}


def _words(spec: StackSpec) -> Mapping[str, tuple[Any, ...]]:
    """The names of one stack by what they name."""
    regions, nodes = spec.regions, spec.nodes()
    machines = sorted({(machine.region, machine.name, machine.scale_set) for machine in spec.machines})
    groups = tuple(dict.fromkeys(node.rpartition(".")[0] for node in nodes if node.count(".") == 2))
    pairs = tuple(f"{one}->{other}" for one in regions for other in regions if one != other)
    machine_names = tuple(name for _, name, _ in machines)
    return {
        "region": regions,
        "regions": (*((region,) for region in regions), regions),
        "zone": spec.zones,
        "to": (*regions, *spec.zones),
        "node": (*nodes, *groups),
        "nodes": tuple((node,) for node in nodes),
        "link": (*map(str, spec.links()), *pairs),
        "name": endpoint_names(spec),
        "machine": machine_names,
        "machines": ((), *((name,) for name in machine_names)),
        "identity": tuple(sorted(spec.by_name())),
    }


def _domain(name: str, field: FieldInfo, words: Mapping[str, tuple[Any, ...]]) -> Domain | None:
    kinds, marks = _parts(field.annotation)
    marks = (*marks, *field.metadata)
    if name in words:
        return Choice(words[name])
    choices = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if choices:
        return Choice(tuple(choices))
    if bool in kinds:
        return Choice((False, True))
    if int in kinds or float in kinds:
        return _range(marks, is_whole=float not in kinds)
    return None


def _range(marks: tuple[Any, ...], *, is_whole: bool) -> Range:
    is_duration = any(isinstance(mark, BeforeValidator) for mark in marks)
    least, most = (SHORTEST_S, LONGEST_S) if is_duration else (0.0, float(MOST)) if is_whole else (0.0, MOST_SHARE)
    for mark in marks:  # pydantic's own: each has one of these attributes
        least = max(least, float(getattr(mark, "ge", least)), float(getattr(mark, "gt", least - 0.01)) + 0.01)
        bound = getattr(mark, "le", getattr(mark, "lt", None))
        if bound is not None:
            most = float(bound) if least > most else min(most if is_duration else max(most, MOST), float(bound))
    if least > most:
        most = least
    return Range(least, most, is_whole, is_duration)


def _parts(annotation: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The types that a value may have, and the marks on them."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        kinds, more = _parts(inner)
        return kinds, (*marks, *more)
    if get_origin(annotation) in (Union, UnionType):
        parts = [_parts(each) for each in get_args(annotation)]
        return tuple(kind for kinds, _ in parts for kind in kinds), tuple(mark for _, marks in parts for mark in marks)
    return (annotation,), ()


def drawn_params(kind: str, place: Ground, chance: Random, *, tries: int = 12) -> dict[str, Any] | None:
    """Parameters with which the fault can be made for the ground's stack; None where so many tries made none."""
    made, known = fault_class(kind), domains(kind, place)
    for _ in range(tries):
        params = {
            name: domain.draw(chance)
            for name, domain in known.items()
            if made.model_fields[name].is_required() or name in made.target or chance.random() < 0.5
        }
        if fits(kind, params, place):
            return params
    return None


def fits(kind: str, params: Mapping[str, Any], place: Ground) -> bool:
    """Whether the fault can be made with these parameters, and has something to hold in the ground's stack."""
    spec = place.spec
    try:
        fault = fault_class(kind).model_validate(dict(params))
        return all(fault.state(spec, carrier) is not None for carrier in fault.carriers(spec))
    except (ValueError, UsageError):  # a ValidationError is a ValueError
        return False
