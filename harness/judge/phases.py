"""The phases of a run and what each cohort met in them.

Phases tile the timeline: baseline, then onset (the first `edge` of the fault), fault, heal (the first `edge` of the
recovery), recovery. Each is half-open, [start, end), and a request belongs to the phase in which it was *intended*, so
a stall at a border moves no request into another phase. Warm-up belongs to none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brownout.harness.base.stats import percentile
from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.judge.selection import IsGood, between, count
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import PhaseResult, Share


def phase_results(
    requests: Iterable[RequestRecord],
    windows: Iterable[PhaseWindow],
    is_good: IsGood,
    *,
    ignored: frozenset[str] = frozenset(),
) -> tuple[PhaseResult, ...]:
    """For each window the outcomes per cohort, operation and region. `requests` are ordered by intended time.

    No outage is made of the `ignored` ones, by id.
    """
    every = tuple(requests)
    return tuple(_phase(between(every, window.start_s, window.end_s), window, is_good, ignored) for window in windows)


def _phase(requests: Sequence[RequestRecord], window: PhaseWindow, is_good: IsGood, ignored: frozenset[str]) -> PhaseResult:
    groups: dict[tuple[str, str, str], list[RequestRecord]] = defaultdict(list)
    for request in requests:
        groups[request.cohort, request.operation, request.region].append(request)
    shares = tuple(_share(key, groups[key], window, is_good, ignored) for key in sorted(groups))
    return PhaseResult(name=window.name, start_s=window.start_s, end_s=window.end_s, shares=shares)


def _share(
    key: tuple[str, str, str],
    requests: list[RequestRecord],
    window: PhaseWindow,
    is_good: IsGood,
    ignored: frozenset[str],
) -> Share:
    outcomes = [request.outcome for request in requests]
    telling = [request for request in requests if request.id not in ignored] if ignored else requests
    outage = longest_outage(telling, is_good, start_s=window.start_s, end_s=window.end_s)
    latencies_ms = sorted(request.latency_ms for request in requests)
    return Share(
        cohort=key[0],
        operation=key[1],
        region=key[2],
        total=len(requests),
        good=len(requests) - count(requests, is_good).bad,
        happened=outcomes.count("happened"),
        refused=outcomes.count("refused"),
        unknown=outcomes.count("unknown"),
        p50_ms=percentile(latencies_ms, 0.5),
        p99_ms=percentile(latencies_ms, 0.99),
        longest_outage_s=None if outage is None else outage.length_s,
    )


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch without a good request. `is_open`: it reaches to the end, so it may have gone on."""

    length_s: float
    is_open: bool = False


def longest_outage(requests: Iterable[RequestRecord], is_good: IsGood, *, start_s: float, end_s: float) -> Outage | None:
    """The longest stretch without a good request in which at least one was bad; None when there are no requests.

    A stretch runs from one good request to the next, by intended time, and is cut at `start_s` and `end_s`. The time outside is
    unknown, so a stretch that touches a border may have been longer. `requests` must be ordered by intended time.
    """
    every = tuple(requests)
    good = [is_good(request) for request in every]
    if all(good):  # as in most groups of requests: there was no outage
        return Outage(0.0) if every else None
    longest, last_good_s, has_bad = Outage(0.0), start_s, False
    for request, was_good in zip(every, good, strict=True):
        if not was_good:
            has_bad = True
            continue
        if has_bad and request.intended_s - last_good_s > longest.length_s:
            longest = Outage(request.intended_s - last_good_s)
        last_good_s, has_bad = request.intended_s, False
    if has_bad and end_s - last_good_s > longest.length_s:
        longest = Outage(end_s - last_good_s, is_open=True)
    return longest
