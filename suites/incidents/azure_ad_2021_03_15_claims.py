"""The claims of Azure AD's outage of 15 March 2021, A1 to A7, compared with the record of a run.

What was published: the key's metadata was removed at 19:00 UTC, another change was rolled back at 19:35 without an effect, the
metadata was put back at 21:05, and failures went on in places until 09:25 the next day.
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result
from brownout.suites.incidents.evidence import Counted, Evidence, clock
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, status_of

POSTURE = "as-of-2021-03"
REFRESH_S = 43_200.0
HIT, SPARED = ("sydney", "melbourne", "tokyo"), ("dublin", "virginia")  # whose verifiers refresh between 19:00 and 21:05
REGIONS = (*HIT, *SPARED)
NEAR_S = 900.0  # arrivals are minutes apart
TAIL_S = 12 * 3600 + 20 * 60.0  # 21:05 to 09:25


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the incident's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def refused(seen: Evidence) -> Mapping[str, tuple[float, float]]:
    """By region the first and the last request from 19:00 on that was refused."""
    found: dict[str, tuple[float, float]] = {}
    for request in seen.history.select(start_s=seen.fault_s):
        if request.outcome == "refused":
            first_s, _ = found.get(request.region, (request.intended_s, 0.0))
            found[request.region] = (first_s, request.intended_s)
    return found


def _cohorts(regions: tuple[str, ...]) -> list[str]:
    return [f"apps-{region}" for region in regions]


def _text(found: Counted) -> str:
    return f"{found.bad} of {found.total} refused"


def _refresh_s(seen: Evidence, region: str) -> float:
    """When the region's verifier fetches the set anew after 19:00: twelve hours after it was started."""
    started_s = seen.step(f"restart-{region}").released_s
    if started_s is None:
        raise LookupError(f"restart-{region} was not carried out")
    return started_s + REFRESH_S


def _onset(seen: Evidence) -> Measurement:
    first = {region: times[0] for region, times in refused(seen).items()}
    late = {region: first[region] - _refresh_s(seen, region) for region in HIT if region in first}
    at_once = min(times[0] for times in refused(seen.of("uncached")).values()) - seen.fault_s
    told = ", ".join(f"{region} {clock(at_s)}" for region, at_s in sorted(first.items(), key=lambda item: item[1]))
    holds = len(late) == len(HIT) and all(-1 <= delay_s < NEAR_S for delay_s in late.values())
    how = f"each within {NEAR_S / 60:g} min of its refresh; without caches all after {at_once:.0f} s (control run uncached)"
    return Measurement(f"first refusals: {told}", status_of(holds and at_once < NEAR_S), how)


def _who(seen: Evidence) -> Measurement:
    hit, spared = seen.between("21:10", "30:00", _cohorts(HIT)), seen.between("19:00", "34:00", _cohorts(SPARED))
    measured = f"verifiers that refreshed between 19:00 and 21:05: {_text(hit)}; others: {_text(spared)}"
    return Measurement(measured, status_of(hit.all_bad and spared.none_bad), "by when each verifier was started")


def _wrong_change(seen: Evidence) -> Measurement:
    found, without = (one.between("19:50", "20:15", ["apps-sydney"]) for one in (seen, seen.of("no-roll-back")))
    state = seen.step("roll-back-other-change").state
    measured = f"after it {_text(found)} where failures had begun, {_text(without)} without it"
    return Measurement(measured, status_of(found.all_bad and without.all_bad and state == "healed"), "control run no-roll-back")


def _put_back(seen: Evidence) -> Measurement:
    after = seen.between("21:15", "24:00", _cohorts(HIT))
    again = seen.of("refetching").between("21:15", "24:00", _cohorts(HIT))
    measured = f"in the three hours after it {_text(after)}; where verifiers fetch again for an unknown key {_text(again)}"
    return Measurement(measured, status_of(after.all_bad and again.none_bad), "control run refetching")


def _tail(seen: Evidence) -> Measurement:
    last_s = max(times[1] for times in refused(seen).values())
    after_s = last_s - seen.recovery_s
    return Measurement(
        f"last refusal {clock(last_s)} the next day, {after_s / 3600:.1f} h after the key was back",
        "calibrated" if abs(after_s - TAIL_S) < 3600 else "differs",
        "how often verifiers refresh was not published, and decides it: verifier_refresh_s",
    )


def _at_once(seen: Evidence) -> Measurement:
    control = seen.of("uncached")
    during, after = control.between("19:06", "21:05", _cohorts(REGIONS)), control.between("21:11", "34:00", _cohorts(REGIONS))
    measured = f"while the key is away {_text(during)}, afterwards {_text(after)}"
    return Measurement(measured, status_of(during.all_bad and after.none_bad), "control run uncached")


def _gate(seen: Evidence) -> Measurement:
    control = seen.of("checked-first")
    step, found = control.step("withdraw-key"), control.between("19:00", "34:00", _cohorts(REGIONS))
    return Measurement(
        f"the act was {step.state}; {_text(found)}", status_of(step.state == "defended" and found.none_bad), step.evidence
    )


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("A1", "Failures begin from 19:00 on, as verifiers refresh their key sets", "from 19:00", _onset),
    PublishedClaim("A2", "Caches decide who fails", "some, not all", _who),
    PublishedClaim("A3", "At 19:35 the wrong change is rolled back, without an effect", "no effect", _wrong_change),
    PublishedClaim("A4", "At 21:05 the key is published again, and caches spread the recovery", "spread", _put_back),
    PublishedClaim("A5", "The last failures end at 09:25 the next day", "12 h 20 min after", _tail),
    PublishedClaim("A6", "Ours: without caches all fail with the key and heal with it", "ours", _at_once),
    PublishedClaim("A7", "Ours: a check that the key is in use prevents it", "ours: refused", _gate),
)
