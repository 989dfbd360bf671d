"""The claims of the reviews FNJ8-VQZ and _M5B-9RZ on managed identities, compared with the record of a run.

The reviews give times and no shares. What they say of causes (that capacity was used up at once, that components tried again
aggressively, that traffic had to be taken away) is told from chance by control runs that differ in one thing. M6 to M9 are
ours: that the failure is metastable, and what each cure alone would have done. Facts: docs/reference/overload.md.
"""

from __future__ import annotations

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result
from brownout.suites.incidents.evidence import Counted, Evidence, clock, share_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, status_of

POSTURE = "as-of-2026-02"
EAST, WEST, CHANGES = ("new-east",), ("new-west",), ("management-east",)
NEW = (*EAST, *WEST)
AFTER_SCALE_UP = ("01:00", "04:55")  # the backlog ended at 00:30
CURED = ("02:00", "04:55")
DETECTED_S = (180.0, 420.0)  # a minute around what was published, at either end
DOWN, UP = 0.9, 0.05  # a share of failures from which on it is down, and up to which it is up


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the incident's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def is_down(found: Counted) -> bool:
    """Whether most requests failed, at 95 % confidence."""
    return found.low >= DOWN


def is_up(found: Counted) -> bool:
    """Whether hardly any failed, at 95 % confidence."""
    return found.high <= UP


def attempts_per_call(seen: Evidence, start: str, end: str) -> float:
    """How many requests clients sent for one token, over the calls of new machines between two times; raises LookupError."""
    calls = seen.between(start, end, NEW).total
    first_s, last_s = (seen.fault_s - seen.fault_s % 86400 + _seconds(at) for at in (start, end))
    sent = sum(a.cohort in NEW and first_s <= a.intended_s < last_s for a in seen.history.attempts)
    return sent / calls


def _seconds(text: str) -> float:
    hours, minutes = text.split(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0


def _window(seen: Evidence) -> Measurement:
    times = seen.result.times
    if times.impact_start_s is None or times.impact_end_s is None:
        return Measurement("no impact", "differs")
    measured = f"{clock(times.impact_start_s)}-{clock(times.impact_end_s)}"
    near = abs(times.impact_start_s - seen.fault_s) < 300 and times.impact_end_s <= seen.recovery_s + 300
    how = "the start emerges; the end is that of the ramp, whose hours are chosen"
    return Measurement(measured, "calibrated" if near else "differs", how)


def _detected(seen: Evidence) -> Measurement:
    detect_s = seen.result.times.detect
    if detect_s is None:
        return Measurement("not detected", "differs")
    near = DETECTED_S[0] <= detect_s <= DETECTED_S[1]
    how = "a burn-rate alert over an hour, which was chosen for it"
    return Measurement(f"{detect_s / 60:.1f} min after the first failure", "calibrated" if near else "differs", how)


def _both_regions(seen: Evidence) -> Measurement:
    east, west, changes = (seen.between(*AFTER_SCALE_UP, cohorts) for cohorts in (EAST, WEST, CHANGES))
    measured = f"tokens east {share_text(east)}, west {share_text(west)}; changes {share_text(changes)} fail"
    return Measurement(measured, status_of(is_down(east) and is_down(west) and changes.bad > 0))


def _scaled_up(seen: Evidence) -> Measurement:
    before, after = seen.between("00:35", "00:50", NEW), seen.between("00:51", "01:30", NEW)
    measured = f"before {share_text(before)} fail, after {share_text(after)}"
    return Measurement(measured, status_of(is_down(after)), "half more capacity from 00:50 on")


def _aggressive(seen: Evidence) -> Measurement:
    usual, then = attempts_per_call(seen, "00:00", "00:07"), attempts_per_call(seen, *AFTER_SCALE_UP)
    cured = seen.of("no-retries").between(*CURED, NEW)
    measured = f"{then:.1f} requests for each token instead of {usual:.1f}; without retries {share_text(cured)} fail"
    return Measurement(measured, status_of(then > 4 * usual and is_up(cured)), "control run no-retries, without any mitigation")


def _metastable(seen: Evidence) -> Measurement:
    found = seen.of("nothing-done").between("01:00", "06:55", NEW)
    measured = f"{share_text(found)} fail in the six hours after the backlog"
    how = "control run nothing-done: no mitigation, and as many clients arrive as before"
    return Measurement(measured, status_of(is_down(found)), how)


def _readmitted(seen: Evidence) -> Measurement:
    found = seen.between("06:05", "06:55", (*NEW, *CHANGES))
    return Measurement(f"{share_text(found)} fail once all traffic is let in", status_of(is_up(found)))


def _closed(seen: Evidence) -> Measurement:
    found = seen.of("no-ramp").between("05:30", "06:30", NEW)
    measured = f"let in at once at 05:05 instead, {share_text(found)} fail from 05:30 to 06:30"
    return Measurement(measured, status_of(is_up(found)), "control run no-ramp: no client waits at the door for it to open")


def _cures(seen: Evidence) -> Measurement:
    found = {name: seen.of(name).between(*CURED, NEW) for name in ("jittered", "shedding", "no-retries")}
    measured = "; ".join(f"{name} {share_text(one)} fail" for name, one in found.items())
    return Measurement(measured, status_of(all(is_up(one) for one in found.values())), "a control run for each")


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("M1", "Impact from 00:08 (00:10) to 06:05 UTC", "00:08-06:05", _window),
    PublishedClaim("M2", "An automatic alert at 00:14", "4-6 min", _detected),
    PublishedClaim("M3", "Tokens and changes of identities fail in two regions", "both", _both_regions),
    PublishedClaim("M4", "Scaled up by 00:50, and overwhelmed at once", "no effect", _scaled_up),
    PublishedClaim("M5", "Components began to try again aggressively", "no figure", _aggressive),
    PublishedClaim("M6", "Ours: it stays down when what began it has ended", "ours: metastable", _metastable),
    PublishedClaim("M7", "Traffic taken away, nodes repaired, traffic let in by a ramp: it is over", "heals", _readmitted),
    PublishedClaim("M8", "Ours: taking the traffic away is what ends it, with the ramp or without", "ours: ends", _closed),
    PublishedClaim("M9", "Ours: jittered backoff, shedding, or no retries end it alone", "ours: each", _cures),
)
