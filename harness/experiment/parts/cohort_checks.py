"""Words of a cohort that there are not, and keys that would decide nothing, because its clients ask for nothing of the kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import UsageError
from brownout.harness.load.arrivals import Cohort, operations_of
from brownout.harness.load.models.model import ClientModel
from brownout.harness.load.models.registry import client_model, front_ends, names
from brownout.identity.azure.hosts.endpoint import WITHOUT_SELECTORS

MOST_ARRIVALS = 20_000_000  # of a whole run: each is a line of the log and a request in memory when it is judged


def unknown(path: DataPath, what: str, word: str, options: Iterable[str]) -> Problem:
    """The problem of a word that is none of the options."""
    return Problem(path, f"there is no {what} {word!r}", did_you_mean(word, options))


def check_rates(path: DataPath, cohorts: Iterable[Cohort], length_s: float) -> Iterator[Problem]:
    """More arrivals than a run can have."""
    planned = sum(cohort.rate_per_s for cohort in cohorts) * length_s
    if planned > MOST_ARRIVALS:
        yield Problem(path, f"{planned:,.0f} requests are planned, more than {MOST_ARRIVALS:,}", "lower rate_per_s")


def check_cohort(path: DataPath, cohort: Cohort, regions: tuple[str, ...]) -> Iterator[Problem]:
    """Problems of one cohort on a stack of these regions; `path` is its place in the file."""
    if cohort.region not in regions:
        yield unknown((*path, "region"), "region", cohort.region, regions)
    yield from _words(path, cohort, regions)
    yield from _homes(path, cohort)
    yield from _name_caches(path, cohort)
    yield from _endpoint(path, cohort)


def _words(path: DataPath, cohort: Cohort, regions: tuple[str, ...]) -> Iterator[Problem]:
    """The keys of a cohort's tables of weights."""
    model = client_model(cohort.model)
    operations = tuple(operation.name for operation in model.operations)
    fronts = model.front_ends or (front_ends() if cohort.front_ends else ())
    tables: list[tuple[str, Mapping[str, float], str, Iterable[str]]] = [
        ("homes", cohort.homes, "region", regions),
        ("front_ends", cohort.front_ends, "front end", fronts),
        ("mix", cohort.mix, f"{model.name} operation", operations),
    ]
    for key, weights, what, options in tables:
        for word in weights:
            if word not in options:
                problem = unknown((*path, key, word), what, word, options)
                yield Problem(problem.path, problem.text, problem.hint, at_key=True)
        if weights and not sum(weights.values()) > 0:
            yield Problem((*path, key), "no weight is above 0")


def _homes(path: DataPath, cohort: Cohort) -> Iterator[Problem]:
    """Homes that would decide nothing: machines ask for the identities that they have."""
    asked = {operation.name: operation.home_of for operation in client_model(cohort.model).operations}
    if cohort.homes and not any(asked.get(name) == "drawn" for name in operations_of(cohort)):
        text = f"homes decide nothing for a cohort of the model {cohort.model}"
        yield Problem((*path, "homes"), text, "give its machines an identity of that region, such as shared@sydney")


def _name_caches(path: DataPath, cohort: Cohort) -> Iterator[Problem]:
    """Caches that nothing would be looked up in: clients of a URL know an address."""
    if cohort.name_caches is not None and not client_model(cohort.model).by_name:
        text = f"clients of the model {cohort.model} do not find the service by name, so they have no cache of names"
        found = ", ".join(_models_that(lambda model: model.by_name))
        yield Problem((*path, "name_caches"), text, f"models by name: {found}")


def _endpoint(path: DataPath, cohort: Cohort) -> Iterator[Problem]:
    """An endpoint that clients of the model do not ask, and an identity that they cannot name there."""
    model = client_model(cohort.model)
    if cohort.endpoint and not model.endpoints:
        text = f"clients of the model {cohort.model} have no choice of an endpoint"
        found = ", ".join(_models_that(lambda each: len(each.endpoints) > 1))
        yield Problem((*path, "endpoint"), text, f"models that have: {found}")
    elif cohort.endpoint and cohort.endpoint not in model.endpoints:
        yield unknown((*path, "endpoint"), f"{cohort.model} endpoint", cohort.endpoint, model.endpoints)
    elif cohort.identity and model.endpoint_of(cohort.endpoint) in WITHOUT_SELECTORS:
        text = f"clients of {model.endpoint_of(cohort.endpoint)} name no identity: it goes by who asks"
        yield Problem((*path, "identity"), text, "give the machines that identity alone")


def _models_that(wanted: Callable[[ClientModel], bool]) -> Iterator[str]:
    for name in names():
        with suppress(UsageError):  # a model that cannot be used is told where it is used
            if wanted(client_model(name)):
                yield name
