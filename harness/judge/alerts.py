"""When an alert would have gone off: burn rate over two windows, judged as each answer arrives.

Theory. The burn rate is the bad ratio over the budget, 1 - target; at burn 1 the budget lasts exactly its period. A
long window alone fires late and stays on for long after; a short one alone fires on noise. Both must be above `burn`.
An alert cannot know of a failure before the answer, or the client's time-out, is there: at time t the windows hold what
was *done* in (t - width, t]. It is evaluated whenever something is done, so it is late by at most one gap between
answers. See docs/reference/statistics.md#burn-rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from brownout.harness.base.stats import budget
from brownout.harness.experiment.model import Alert
from brownout.harness.judge.selection import IsGood, select
from brownout.harness.record.history import RequestRecord


@dataclass(frozen=True, slots=True)
class Firing:
    """One stretch in which the alert was on; `end_s` None when it still was at the last answer."""

    start_s: float
    end_s: float | None


def firings(alert: Alert, requests: Iterable[RequestRecord], is_good: IsGood) -> tuple[Firing, ...]:
    """Every stretch of emulated time in which the alert was on, in order."""
    found: list[Firing] = []
    since_s: float | None = None
    for now_s, is_on in _states(alert, requests, is_good):
        if is_on and since_s is None:
            since_s = now_s
        elif not is_on and since_s is not None:
            found.append(Firing(since_s, now_s))
            since_s = None
    return tuple(found) if since_s is None else (*found, Firing(since_s, None))


def first_firing_s(found: Iterable[Firing], *, after_s: float) -> float | None:
    """When the alert first went off at `after_s` or later; None when it never did, or only was on already."""
    return next((firing.start_s for firing in found if firing.start_s >= after_s), None)


def was_on(found: Iterable[Firing], at_s: float) -> bool:
    """Whether the alert went off before `at_s` and was still on then."""
    return any(firing.start_s < at_s and (firing.end_s is None or firing.end_s > at_s) for firing in found)


def _states(alert: Alert, requests: Iterable[RequestRecord], is_good: IsGood) -> Iterator[tuple[float, bool]]:
    """Whether the alert was on, at each moment at which something was done."""
    done = sorted((request.done_s, not is_good(request)) for request in select(requests, alert.of))
    times_s = [time_s for time_s, _ in done]
    bad_before = [0, *accumulate(is_bad for _, is_bad in done)]  # running totals: the bad ones of any slice by one subtraction
    if bad_before[-1] < alert.at_least:
        return  # too few for any window, as of most alerts
    # Rounded because 1 - target is not exact: a ratio that is equal to the limit must not count as above it.
    limit = round(alert.burn * budget(alert.target), 12)
    long_first = short_first = 0
    for index, now_s in enumerate(times_s):
        if index + 1 < len(times_s) and times_s[index + 1] == now_s:
            continue  # everything done at the same moment counts together
        while times_s[long_first] <= now_s - alert.long_s:
            long_first += 1
        while times_s[short_first] <= now_s - alert.short_s:
            short_first += 1
        long_bad = bad_before[index + 1] - bad_before[long_first]
        short_bad = bad_before[index + 1] - bad_before[short_first]
        yield (
            now_s,
            long_bad >= alert.at_least
            and long_bad / (index + 1 - long_first) > limit
            and short_bad / (index + 1 - short_first) > limit,
        )
