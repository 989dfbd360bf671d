"""The claims of Cloudflare's report of its R2 incident of 21 March 2025, R1 to R17, compared with the record of a run.

A new storage key was deployed to the wrong place, and the old one removed. The report gives times, and three shares: writes
100 %, reads about 35 %, metadata none. R13 to R16 are ours: what its repairs would have shown and prevented. A control run that
differs in one thing stands beside each statement about a cause.
"""

from __future__ import annotations

from collections.abc import Iterable

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, ClaimStatus, Result
from brownout.identity.core import trail
from brownout.suites.incidents.evidence import Counted, Evidence, clock, interval_text, share_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, not_testable, status_of

POSTURE = "as-of-2025-03"
CACHED, UNCACHED, WRITES, METADATA, ELSEWHERE = (
    (name,) for name in ("cached-reads", "uncached-reads", "writes", "metadata", "elsewhere")
)
READS = (*CACHED, *UNCACHED)
STORAGE = (*UNCACHED, *WRITES)  # what no cache answers
BEFORE, WAITING, OUTAGE, AFTER = ("19:40", "20:37"), ("20:38", "21:37"), ("21:39", "22:44"), ("22:46", "23:50")
SECOND_KEY, SECOND_PLACE = ("22:16", "22:29"), ("22:31", "22:44")
ABOUT_35_PERCENT = (0.28, 0.42)  # as far from the published figure as "about" may mean
NEAR_S = 120.0
ALERT_S = (240.0, 600.0)  # three minutes around what was published, at either end
INSTANT_S = 60.0
GRADUAL_S = 600.0  # a decline that is over sooner than this is none that people would call gradual


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the incident's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def _failed(found: Counted) -> str:
    return f"{found.bad} of {found.total} failed"


def _within(share: Counted, allowed: tuple[float, float]) -> ClaimStatus:
    """`calibrated` when the share's bounds are within the range, `differs` when they are outside of it."""
    low, high = allowed
    if share.high < low or share.low > high:
        return "differs"
    return "calibrated" if low <= share.low and share.high <= high else "not-decided"


def _keys(seen: Evidence, window: tuple[str, str], cohorts: Iterable[str]) -> str:
    """The keys that nodes signed with for these cohorts' requests in a window, as the trails of the answers show them."""
    found = seen.history.select(cohorts=cohorts, start_s=seen.time_s(window[0]), end_s=seen.time_s(window[1]))
    keys = {hop.key_id for request in found for hop in trail.parse(request.trail) if hop.key_id}
    if not keys:
        raise LookupError(f"no answer between {window[0]} and {window[1]} names a key")
    return ", ".join(sorted(keys))


def _impact(seen: Evidence) -> Measurement:
    times = seen.result.times
    if times.impact_start_s is None or times.impact_end_s is None:
        return Measurement("no impact, or none that ends", "differs")
    off_s = max(abs(times.impact_start_s - seen.fault_s), abs(times.impact_end_s - seen.recovery_s))
    minutes = (times.impact_end_s - times.impact_start_s) / 60
    measured = f"{clock(times.impact_start_s)}-{clock(times.impact_end_s)}, {minutes:.0f} min"
    how = "first and last failed request; the hour that the removal takes and the time of the repair are given"
    return Measurement(measured, status_of(off_s <= NEAR_S), how)


def _writes(seen: Evidence) -> Measurement:
    before, found = seen.between(*BEFORE, WRITES), seen.between(*OUTAGE, WRITES)
    measured = f"{share_text(found)}; {_failed(before)} before"
    return Measurement(measured, status_of(found.all_bad and before.none_bad), "creates, updates and deletes")


def _reads(seen: Evidence) -> Measurement:
    found = seen.between(*OUTAGE, READS)
    how = "the share of reads that no cache answers decides it: load.cohorts.uncached-reads.rate_per_s"
    return Measurement(share_text(found), _within(found, ABOUT_35_PERCENT), how, interval_text(found))


def _cache(seen: Evidence) -> Measurement:
    cached, uncached = seen.between(*OUTAGE, CACHED), seen.between(*OUTAGE, UNCACHED)
    without = seen.of("no-cache").between(*OUTAGE, CACHED)
    measured = f"answered by a cache {_failed(cached)}, by none {_failed(uncached)}; without caches {share_text(without)} fail"
    return Measurement(measured, status_of(cached.none_bad and uncached.all_bad and without.all_bad), "control run no-cache")


def _metadata(seen: Evidence) -> Measurement:
    found = seen.between(*OUTAGE, METADATA)
    how = "lists, which need no key of the storage"
    return Measurement(_failed(found), status_of(found.none_bad), how, interval_text(found))


def _delay(seen: Evidence) -> Measurement:
    waiting, at_once = seen.between(*WAITING, STORAGE), seen.of("removed-at-once").between(*WAITING, STORAGE)
    measured = f"in that hour {_failed(waiting)}; {share_text(at_once)} where the removal is in force at once"
    how = "control run removed-at-once; the hour itself is given (schedule.remove-old-key.with.after)"
    return Measurement(measured, status_of(waiting.none_bad and at_once.all_bad), how)


def _gradual(seen: Evidence) -> Measurement:
    begun_s = seen.result.times.impact_start_s
    if begun_s is None:
        return Measurement("no impact", "differs")
    every = seen.history.select(cohorts=WRITES, start_s=begun_s, end_s=begun_s + GRADUAL_S)
    found = Counted(len(every), sum(request.outcome != "happened" for request in every))
    how = "one store stands for the storage and refuses the key from one moment on; the report's took it up bit by bit"
    return Measurement(f"{share_text(found)} of the writes fail in the first 10 min", status_of(found.high < 0.9), how)


def _alert(seen: Evidence) -> Measurement:
    detect_s = seen.result.times.detect
    if detect_s is None:
        return Measurement("not detected", "differs")
    how = "a burn-rate alert on 2 % of a month's budget in an hour, as the report is understood; its target was chosen"
    near = ALERT_S[0] <= detect_s <= ALERT_S[1]
    return Measurement(f"{detect_s / 60:.1f} min after the first failure", "calibrated" if near else "differs", how)


def _another_key(seen: Evidence) -> Measurement:
    found, without = (one.between(*SECOND_KEY, STORAGE) for one in (seen, seen.of("no-other-key")))
    good, state = seen.between(*SECOND_KEY, ELSEWHERE), seen.step("make-another-key").state
    measured = f"after it {share_text(found)} fail, {share_text(without)} without it; where the key is deployed {_failed(good)}"
    holds = found.all_bad and without.all_bad and good.none_bad and state == "healed"
    return Measurement(measured, status_of(holds), "control run no-other-key")


def _elsewhere_again(seen: Evidence) -> Measurement:
    found, right = (one.between(*SECOND_PLACE, STORAGE) for one in (seen, seen.of("right-at-22-30")))
    measured = f"after it {share_text(found)} fail; {_failed(right)} where it goes to production at that time"
    state = seen.step("deploy-elsewhere-again").state
    holds = found.all_bad and right.none_bad and state == "healed"
    return Measurement(measured, status_of(holds), "control run right-at-22-30")


def _healed(seen: Evidence) -> Measurement:
    step, after = seen.step("deploy-to-production"), seen.between(*AFTER, (*READS, *WRITES, *METADATA))
    end_s = seen.result.times.impact_end_s
    if end_s is None or step.applied_s is None:
        return Measurement("the impact does not end", "differs")
    delay_s = max(0.0, end_s - step.applied_s)
    measured = f"last failure {delay_s:.0f} s after the deployment began, from 22:46 on {_failed(after)}"
    return Measurement(measured, status_of(delay_s <= INSTANT_S and after.none_bad))


def _telemetry(seen: Evidence) -> Measurement:
    told = {
        "production before the removal": _keys(seen, ("20:20", "20:37"), STORAGE),
        "the other place": _keys(seen, ("20:21", "20:37"), ELSEWHERE),
        "production in the outage": _keys(seen, OUTAGE, STORAGE),
        "production afterwards": _keys(seen, AFTER, STORAGE),
    }
    right = ["manual-sydney-1", "managed-sydney-1", "manual-sydney-1", "managed-sydney-2"]
    measured = "; ".join(f"{place} {keys}" for place, keys in told.items())
    how = "the key's id in the trail of every answer: seventeen minutes before the removal it told where the new key had gone"
    return Measurement(measured, status_of(list(told.values()) == right), how)


def _gate(seen: Evidence) -> Measurement:
    control = seen.of("checked-first")
    step, found = control.step("remove-old-key"), control.between("20:38", "23:50", (*READS, *WRITES))
    return Measurement(
        f"the removal was {step.state}; {_failed(found)}", status_of(step.state == "defended" and found.none_bad), step.evidence
    )


def _gate_opens(seen: Evidence) -> Measurement:
    control = seen.of("checked-and-right")
    step, found = control.step("remove-old-key"), control.between("20:38", "23:50", (*READS, *WRITES))
    measured = f"the removal was {'let through' if step.bitten_s is not None else step.state}; {_failed(found)}"
    how = "control run checked-and-right: the same check, the new key deployed to production too, at 20:20"
    return Measurement(measured, status_of(step.bitten_s is not None and found.none_bad), how)


def _new_key_is_good(seen: Evidence) -> Measurement:
    there, here = seen.between(*OUTAGE, ELSEWHERE), seen.between(*OUTAGE, UNCACHED)
    measured = f"with the new key, from the other place, {_failed(there)}; from production {_failed(here)}"
    return Measurement(measured, status_of(there.none_bad and here.all_bad), "the same storage, the same minutes")


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("R1", "Impact from 21:38 to 22:45 UTC", "67 min", _impact),
    PublishedClaim("R2", "Writes that failed", "100 %", _writes),
    PublishedClaim("R3", "Reads that failed", "about 35 %", _reads),
    PublishedClaim("R4", "A cache in front of the storage went on answering reads", "because of the cache", _cache),
    PublishedClaim("R5", "Operations on metadata alone", "unaffected", _metadata),
    PublishedClaim("R6", "Removed at 20:37, the old key was good for another hour", "61 min", _delay),
    PublishedClaim("R7", "The decline was gradual", "gradual", _gradual),
    PublishedClaim("R8", "An alert at 21:45, for 2 % of the error budget", "7 min", _alert),
    PublishedClaim(
        "R9",
        "Declared an incident at 21:50, the cause found at 22:36",
        "12 and 58 min",
        not_testable("how long people take is not simulated"),
    ),
    PublishedClaim("R10", "22:15, another new key: no effect", "no effect", _another_key),
    PublishedClaim("R11", "22:30, deployed to the wrong place again: no effect", "no effect", _elsewhere_again),
    PublishedClaim("R12", "22:45, deployed to production: recovered", "at once", _healed),
    PublishedClaim("R13", "Ours, of a repair: the key's id in each answer shows who uses which", "repair: logged", _telemetry),
    PublishedClaim("R14", "Ours, of a repair: a key that is in use is not removed", "repair: confirmed first", _gate),
    PublishedClaim("R15", "Ours: the same check lets a rotation through that went right", "ours: let through", _gate_opens),
    PublishedClaim("R16", "Ours: the new key was good where it was deployed", "ours: good", _new_key_is_good),
    PublishedClaim(
        "R17",
        "Images were delivered at 25 %, segments of Stream at 94 %",
        "25 %, 94 %",
        not_testable("what depended on the storage is not emulated"),
    ),
)
