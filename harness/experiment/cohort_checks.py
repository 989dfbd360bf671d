"""Keys of a cohort that would decide nothing, because clients of its model do not ask for what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import UsageError
from brownout.harness.load.arrivals import Cohort, operations_of
from brownout.harness.load.models.registry import client_model, names


def check_cohort(path: DataPath, cohort: Cohort) -> Iterator[Problem]:
    """Problems of one cohort; `path` is its place in the file."""
    yield from _homes(path, cohort)
    yield from _name_caches(path, cohort)


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
        yield Problem((*path, "name_caches"), text, f"models by name: {', '.join(_models_by_name())}")


def _models_by_name() -> Iterator[str]:
    for name in names():
        with suppress(UsageError):  # a model that cannot be used is told where it is used
            if client_model(name).by_name:
                yield name
