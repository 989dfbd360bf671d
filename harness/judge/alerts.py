"""When an alert would have gone off: burn rate over two windows, judged as each answer arrives.

Theory. The burn rate is the bad ratio over the budget, 1 - target; at burn 1 the budget lasts exactly its period. A
long window alone fires late and stays on for long after; a short one alone fires on noise. Both must be above `burn`.
An alert cannot know of a failure before the answer, or the client's time-out, is there: at time t the windows hold what
was *done* in (t - width, t]. It is evaluated whenever something is done, so it is late by at most one gap between
answers. See docs/reference/statistics.md#burn-rates.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from brownout.harness.base.stats import budget
from brownout.harness.experiment.model import Alert
from brownout.harness.judge.selection import select
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.selection import is_good


def first_firing_s(alert: Alert, requests: Iterable[RequestRecord], *, after_s: float) -> float | None:
    """The first emulated time later than `after_s` at which the alert fires, None when it never does."""
    done = sorted((request.done_s, not is_good(request)) for request in select(requests, alert.of))
    times_s = [time_s for time_s, _ in done]
    bad_before = [0, *accumulate(is_bad for _, is_bad in done)]  # running totals: the bad ones of any slice by one subtraction
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
        is_burning = (
            long_bad >= alert.at_least
            and long_bad / (index + 1 - long_first) > limit
            and short_bad / (index + 1 - short_first) > limit
        )
        if is_burning and now_s > after_s:
            return now_s
    return None
