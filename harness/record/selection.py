"""Which requests an objective or an alert is about, and which of them were good: for verdicts and for all figures beside them.

An objective judges its requests by its own limit. A figure that belongs to no one objective (an alert, a time, the longest
outage, a step's effect, a chart) uses `GoodRule`: what is bad for any objective is bad there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from brownout.harness.record.history import NOT_SENT, RequestRecord


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
    if not (operations or regions or homes):  # as most filters, each of which is asked about every request of a run
        return (lambda request: request.cohort in cohorts) if cohorts else lambda _: True

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


class Measured(RequestFilter, Protocol):
    """An objective: which requests it is about, and how long a good one may take, in milliseconds of network time."""

    @property
    def within_ms(self) -> float | None: ...


class GoodRule:
    """Whether a request was good: it happened, within the limit of every objective that is about it."""

    def __init__(self, objectives: Iterable[Measured] = ()) -> None:
        self._by((one, one.within_ms) for one in objectives)

    @classmethod
    def by(cls, limits: Iterable[tuple[RequestFilter, float | None]]) -> Self:
        """By objectives, each as the requests that it is about and its limit."""
        made = cls()
        made._by(limits)
        return made

    def _by(self, limits: Iterable[tuple[RequestFilter, float | None]]) -> None:
        self._limits = [(matcher(about), within_ms) for about, within_ms in limits if within_ms is not None]
        self._least_ms = min((within_ms for _, within_ms in self._limits), default=math.inf)
        self._known: dict[tuple[str, str, str, str], float] = {}

    def __call__(self, request: RequestRecord) -> bool:
        if request.outcome != "happened":
            return False
        if request.latency_ms <= self._least_ms:  # as nearly every one: good whatever objectives are about it
            return True
        key = (request.cohort, request.operation, request.region, request.home)  # all that a filter looks at
        limit_ms = self._known.get(key)
        if limit_ms is None:
            limit_ms = min((limit_ms for matches, limit_ms in self._limits if matches(request)), default=math.inf)
            self._known[key] = limit_ms
        return request.latency_ms <= limit_ms


LATE_S, LATE_MOST_S = 0.05, 1.0  # network time


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a request may leave and still say something of the service, in emulated seconds.

    A file may allow more than LATE_S, up to LATE_MOST_S. A bad request gets no more than LATE_S: it may be bad because it was
    late.
    """

    good_s: float = math.inf
    bad_s: float = math.inf

    @classmethod
    def of(cls, allowed_s: float, rate: float) -> Lateness:
        """From the limit of a file in network time, at `rate` emulated seconds per real second."""
        return cls(min(allowed_s, LATE_MOST_S) * rate, min(allowed_s, LATE_S) * rate)

    def is_doubtful(self, request: RequestRecord, *, good: bool) -> bool:
        """Whether the request was late or unsent by the generator's doing, and might have ended the other way."""
        late_s = request.sent_s - request.intended_s
        return late_s > (self.good_s if good else self.bad_s) or request.error in NOT_SENT
