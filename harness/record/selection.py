"""Which requests an objective or an alert is about, and which of them were good: for verdicts and for figures during a load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from brownout.harness.record.history import RequestRecord


class Selectable(Protocol):
    """What a filter looks at in a request."""

    @property
    def cohort(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def home(self) -> str: ...


class RequestFilter(Protocol):
    """What requests have to be to be meant. An empty list means all."""

    @property
    def cohorts(self) -> Sequence[str]: ...
    @property
    def operations(self) -> Sequence[str]: ...
    @property
    def regions(self) -> Sequence[str]: ...
    @property
    def homes(self) -> Sequence[str]: ...


def matcher(wanted: RequestFilter) -> Callable[[Selectable], bool]:
    """A test for requests that the filter means."""
    cohorts, operations = frozenset(wanted.cohorts), frozenset(wanted.operations)
    regions, homes = frozenset(wanted.regions), frozenset(wanted.homes)

    def matches(request: Selectable) -> bool:
        return (
            (not cohorts or request.cohort in cohorts)
            and (not operations or request.operation in operations)
            and (not regions or request.region in regions)
            and (not homes or request.home in homes)
        )

    return matches


def is_good(request: RequestRecord, within_ms: float | None = None) -> bool:
    """Whether it happened, and within the limit when there is one. An unknown outcome is never good."""
    return request.outcome == "happened" and (within_ms is None or request.latency_ms <= within_ms)
