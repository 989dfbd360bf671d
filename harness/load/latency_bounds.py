"""The bounds of a load's latency histogram: a ladder, and each limit that an objective sets.

A share of requests within an objective's limit can be read off a histogram exactly only where the limit is itself a bound, so
the limits are bounds. Their number is that of the ladder and of the distinct limits, whatever the load meets.
"""

from __future__ import annotations

from brownout.harness.load.watched_objectives import Watch

LADDER_MS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0)


def bounds_ms(watch: Watch) -> tuple[float, ...]:
    """Upper bounds in ascending order, in milliseconds of network time; what is above the last belongs to none."""
    limits = {one.within_ms for one in watch.objectives if one.within_ms is not None}
    return tuple(sorted({*LADDER_MS, *limits}))
