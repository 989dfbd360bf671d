"""When the impact began and ended, how fast it was detected and mitigated, and how long recovery took.

Theory. A request is bad when it is for any objective (`record.selection.GoodRule`). *Noise* is the upper bound of the
baseline's bad ratio, or 0 when no request failed in the baseline. The *impact* begins with the first bad request, and ends with
the last one, whose window is beyond noise: the window holds at least the alert's minimum number of bad requests, and the lower
bound of its bad ratio is above the noise. The window starts at the first and ends at the last. On a clean baseline every bad
request is beyond noise.

Detection is the first alert that goes off at the first effect or later. One that was on before says nothing of the fault.

Recovery is the first t from the end of the fault on such that (t, t + H] is within budget or noise, and no later window of H
is a relapse: beyond both, with the alert's minimum of bad requests. H is the alert's long window: a shorter one misses a flap
(docs/reference/statistics.md#recovery).

Censoring. The record may end before the impact does. An impact that is not followed by a whole quiet window has no known end,
and no recovery. Unknown times are None, never the length of the run, and a note says why.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import attrgetter

from brownout.harness.base.stats import budget, exact_high, is_above
from brownout.harness.experiment.model import Alert, Selector
from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.judge.alerts import Firing, first_firing_s, was_on
from brownout.harness.judge.phases import Outage, longest_outage
from brownout.harness.judge.selection import Count, IsGood, between, select
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import Times

NO_ALERTS = "no alert in the experiment"
NOT_DETECTED = "no alert went off"
NOT_OVER = "not over by the end of the record"
NOT_RECOVERED = "not recovered by the end of the record"
OPEN_OUTAGE = "not over by the end of the record"


@dataclass(frozen=True, slots=True)
class Span:
    """From the baseline's start to the record's end. The first fault began at `fault_s`, the recovery at `heal_s`."""

    start_s: float
    fault_s: float
    heal_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Impact:
    """First and last bad request of the impact, by intended time; `end_s` None when the record does not show an end."""

    start_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class WatchedAlert:
    """What one alert watches, prepared for questions: intended times in order and running totals of bad ones."""

    alert: Alert
    times_s: tuple[float, ...]
    is_bad: tuple[bool, ...]
    bad_before: tuple[int, ...]
    noise: float
    confidence: float

    def within(self, first: int, last: int) -> Count:
        """The requests from index `first` up to, not including, `last`."""
        return Count(last - first, self.bad_before[last] - self.bad_before[first])


def watch(
    alert: Alert, requests: Iterable[RequestRecord], is_good: IsGood, *, baseline: PhaseWindow, confidence: float
) -> WatchedAlert:
    """The alert's requests from the baseline's start on, with the baseline's noise."""
    watched = sorted(select(requests, alert.of), key=attrgetter("intended_s"))
    times_s = tuple(request.intended_s for request in watched)
    is_bad = tuple(not is_good(request) for request in watched)
    alone = WatchedAlert(alert, times_s, is_bad, bad_before=(0, *accumulate(is_bad)), noise=0.0, confidence=confidence)
    quiet = alone.within(bisect_left(times_s, baseline.start_s), bisect_left(times_s, baseline.end_s))
    return replace(alone, noise=exact_high(quiet.bad, quiet.total, confidence)) if quiet.bad else alone


def impact(watched: WatchedAlert, *, fault_s: float, end_s: float) -> Impact | None:
    """The impact from `fault_s` to `end_s`, the end of the record; None when nothing was beyond noise."""
    first, last = bisect_left(watched.times_s, fault_s), bisect_left(watched.times_s, end_s)
    bad = [index for index in range(first, last) if watched.is_bad[index]]
    start = next((index for index in bad if _is_beyond_noise(watched, *_window_from(watched, index, last))), None)
    finish = next((i for i in reversed(bad) if _is_beyond_noise(watched, *_window_to(watched, i, first))), None)
    if start is None or finish is None:
        return None
    # The end is known only if there is a later request and a whole quiet window fits into the record (censoring, see above).
    has_quiet_end = finish + 1 < last and watched.times_s[finish] + watched.alert.long_s <= end_s
    return Impact(watched.times_s[start], watched.times_s[finish] if has_quiet_end else None)


def _window_from(watched: WatchedAlert, index: int, last: int) -> tuple[int, int]:
    return index, min(last, bisect_left(watched.times_s, watched.times_s[index] + watched.alert.long_s))


def _window_to(watched: WatchedAlert, index: int, first: int) -> tuple[int, int]:
    return max(first, bisect_right(watched.times_s, watched.times_s[index] - watched.alert.long_s)), index + 1


def _is_beyond_noise(watched: WatchedAlert, first: int, last: int) -> bool:
    seen = watched.within(first, last)
    enough = watched.alert.at_least if watched.noise else 1
    return seen.bad >= enough and is_above(seen.bad, seen.total, watched.noise, watched.confidence)


def recovered_s(watched: WatchedAlert, *, heal_s: float, end_s: float) -> float | None:
    """The first t >= heal_s with (t, t + H] in the record, not empty, and within budget or noise, and no relapse; else None.

    Between two moments at which a request enters or leaves the window nothing changes, so only those are tried.
    """
    hold_s, limit = watched.alert.long_s, max(budget(watched.alert.target), watched.noise)
    times_s = watched.times_s[bisect_right(watched.times_s, heal_s) : bisect_left(watched.times_s, end_s)]
    offset = bisect_right(watched.times_s, heal_s)
    enters_s = [time_s - hold_s for time_s in times_s]
    moments = sorted({heal_s, *times_s, *(time_s for time_s in enters_s if time_s > heal_s)})
    recovered: float | None = None
    for moment_s in moments:
        if moment_s + hold_s > end_s:
            break
        # The requests in (t, t + H]. The right end is looked up in `enters_s`, from which the moments come: comparing
        # t + H with the times instead could miss the entering request by a rounding error.
        first, last = bisect_right(times_s, moment_s), bisect_right(enters_s, moment_s)
        seen = watched.within(offset + first, offset + last)
        if seen.total and seen.bad / seen.total <= limit:
            recovered = moment_s if recovered is None else recovered
            if watched.within(offset + last, offset + len(times_s)).bad == 0:
                break  # nothing that could be a relapse
        elif seen.bad >= watched.alert.at_least:
            recovered = None
    return recovered


def times(
    watches: Iterable[WatchedAlert],
    alerts: Mapping[str, tuple[Firing, ...]],
    requests: Iterable[RequestRecord],
    is_good: IsGood,
    *,
    span: Span,
    judged: Iterable[Selector] = (),
) -> Times:
    """All times of a run. `alerts` has when each was on, `judged` what each objective is about.

    With several alerts the impact is the union of theirs, and recovery is when the last of them has recovered.
    """
    every, known = tuple(requests), tuple(watches)
    outage = _worst_outage(every, is_good, span, judged)
    notes = {"longest_outage": OPEN_OUTAGE} if outage is not None and outage.is_open else {}
    outage_s = None if outage is None else outage.length_s
    found = [hit for hit in (impact(one, fault_s=span.fault_s, end_s=span.end_s) for one in known) if hit is not None]
    if not found:
        return Times(longest_outage=outage_s, notes=notes if known else {**notes, "detect": NO_ALERTS})
    impact_start_s = min(hit.start_s for hit in found)
    impact_end_s = _latest([hit.end_s for hit in found])
    back_s = _latest([recovered_s(one, heal_s=span.heal_s, end_s=span.end_s) for one in known])
    back_s = None if impact_end_s is None else back_s  # an impact that is not over has not been recovered from
    detected_s, detect_by, why_not = _detection(alerts, impact_start_s)
    notes |= {"detect": why_not} if why_not else {}
    notes |= {} if impact_end_s is not None else {"mitigate": NOT_OVER}
    notes |= {} if back_s is not None else {"recover": NOT_RECOVERED}
    return Times(
        detect=None if detected_s is None else detected_s - impact_start_s,
        detect_by=detect_by,
        mitigate=None if impact_end_s is None else impact_end_s - impact_start_s,
        recover=None if back_s is None else back_s - span.heal_s,
        longest_outage=outage_s,
        impact_start_s=impact_start_s,
        impact_end_s=impact_end_s,
        recovered_s=back_s,
        notes=notes,
    )


def _detection(alerts: Mapping[str, tuple[Firing, ...]], impact_start_s: float) -> tuple[float | None, str, str]:
    """When the impact was detected and by which alert, or why that is not known."""
    early = [name for name, found in alerts.items() if was_on(found, impact_start_s)]
    if early:
        return None, "", f"before the first effect, {early[0]} was on already"
    fired = sorted(
        (at_s, name) for name, found in alerts.items() if (at_s := first_firing_s(found, after_s=impact_start_s)) is not None
    )
    return (*fired[0], "") if fired else (None, "", NOT_DETECTED)


def _latest(moments: list[float | None]) -> float | None:
    """The latest of the moments; None as soon as one of them is unknown."""
    known = [moment for moment in moments if moment is not None]
    return max(known) if len(known) == len(moments) else None


def _worst_outage(
    requests: tuple[RequestRecord, ...], is_good: IsGood, span: Span, judged: Iterable[Selector]
) -> Outage | None:
    """The longest of any cohort, and of any objective's requests: half of a cohort may be out while the other half is well."""
    known = between(requests, span.start_s, span.end_s)
    bad = [request for request in known if not is_good(request)]
    if not bad:
        return Outage(0.0) if known else None
    hit, by_cohort = {request.cohort for request in bad}, dict[str, list[RequestRecord]]()
    for request in known:
        if request.cohort in hit:  # the others had no outage
            by_cohort.setdefault(request.cohort, []).append(request)
    sufferers = (*by_cohort.values(), *(select(known, one) for one in judged if select(bad, one)))
    found = (longest_outage(mine, is_good, start_s=span.start_s, end_s=span.end_s) for mine in sufferers)
    return max((one for one in found if one is not None), key=lambda one: one.length_s)
