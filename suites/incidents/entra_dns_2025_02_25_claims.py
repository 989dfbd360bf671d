"""The claims of Entra's lost record of 25 February 2025, D1 to D7, compared with the record of a run.

What was published (review TMS9-J_8): a record on the way to autologon.microsoftazuread-sso.com was removed, because
configuration said that it was not in use; impact from 16:42 UTC to 01:15 UTC of the next day; 94 % of the customers concerned
were well by 18:35; no other way to sign in was concerned. What caches they had was not published. A customer is a cache of
names here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History, RequestRecord
from brownout.harness.record.result import ClaimResult, Result
from brownout.identity.core import trail
from brownout.identity.core.topology import EDGE_NODE
from brownout.suites.incidents.evidence import Counted, Evidence, clock
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, status_of

POSTURE = "as-of-2025-02"
NEGATIVE_TTL_S = {"five-minutes": 300.0, "quarter-hour": 600.0, "seven-hours": 25_800.0}  # as in the experiment
TTL_S = {"five-minutes": 300.0, "quarter-hour": 900.0, "seven-hours": 5_400.0}
SEAMLESS = tuple(NEGATIVE_TTL_S)
OTHERS = ("other-sign-ins",)
DURING, AFTERWARDS = ("16:43", "18:19"), ("18:21", "26:30")
HEALED_AT, ENDED_AT = "18:35", "25:15"  # published; the second is 01:15 of the next day
NEAR_S = 1_800.0  # what a calibrated time may be off
ASKS_S = 3_600.0  # a customer's requests are minutes apart: by then it has asked again


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the incident's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def customer_of(request: RequestRecord) -> str:
    """The cache of names that a request used, "" for a client without one."""
    return next((hop.key_kind for hop in trail.parse(request.trail) if hop.node == EDGE_NODE), "")


def failed(seen: Evidence, cohorts: Iterable[str] = SEAMLESS) -> Mapping[str, tuple[float, float]]:
    """By customer, the first and the last request from 16:42 on that failed; raises LookupError where none did."""
    found: dict[str, tuple[float, float]] = {}
    for request in seen.history.select(cohorts=cohorts, start_s=seen.fault_s):
        if request.outcome != "happened":
            first_s, _ = found.get(customer_of(request), (request.intended_s, 0.0))
            found[customer_of(request)] = (first_s, request.intended_s)
    if not found:
        raise LookupError(f"no request of {', '.join(cohorts)} failed")
    return found


def _text(found: Counted) -> str:
    return f"{found.bad} of {found.total} fail"


def _begin(seen: Evidence) -> Measurement:
    first_s = min(times[0] for times in failed(seen).values())
    before = seen.between("15:42", "16:42", SEAMLESS)
    measured = f"first failure {clock(first_s)}; in the hour before {_text(before)}"
    return Measurement(measured, status_of(before.none_bad and first_s - seen.fault_s < min(TTL_S.values())))


def _most(seen: Evidence) -> Measurement:
    customers, at_s = failed(seen), seen.time_s(HEALED_AT)
    well = sum(last_s < at_s for _, last_s in customers.values())
    share = 100 * well / len(customers)
    return Measurement(
        f"{share:.0f} % ({well} of {len(customers)} customers)",
        "calibrated" if abs(share - 94) < 2 else "differs",
        "the mix of caches was not published, and decides it: six of a hundred keep the answer for 7 h 10 min",
    )


def _rest(seen: Evidence) -> Measurement:
    last_s = max(times[1] for times in failed(seen).values())
    off_s = last_s - seen.time_s(ENDED_AT)
    return Measurement(
        f"last failure {clock(last_s)} of the next day",
        "calibrated" if abs(off_s) < NEAR_S else "differs",
        "how long the slowest caches keep the answer was not published, and decides it: 7 h 10 min",
    )


def _no_other(seen: Evidence) -> Measurement:
    found = seen.between(*DURING, OTHERS)
    return Measurement(f"by Entra's own name {_text(found)} meanwhile", status_of(found.none_bad))


def _curve(seen: Evidence) -> Measurement:
    told, holds = [], True
    for cohort in SEAMLESS:
        first_s = max(times[0] for times in failed(seen, (cohort,)).values()) - seen.fault_s
        last_s = max(times[1] for times in failed(seen, (cohort,)).values()) - seen.recovery_s
        ends = f"the last failure {last_s / 60:.0f} min after the record's return"
        told.append(f"{cohort}: first failures within {first_s / 60:.0f} min, {ends}")
        holds &= 0 < first_s < TTL_S[cohort] + ASKS_S and 0 < last_s < NEGATIVE_TTL_S[cohort]
    how = "a cache keeps the good record for its time to live, and the answer that there is none for its negative one"
    return Measurement("; ".join(told), status_of(holds), how)


def _uncached(seen: Evidence) -> Measurement:
    control = seen.of("uncached")
    during, after = control.between(*DURING, SEAMLESS), control.between(*AFTERWARDS, SEAMLESS)
    measured = f"while the record is away {_text(during)}, afterwards {_text(after)}"
    return Measurement(measured, status_of(during.all_bad and after.none_bad), "control run uncached")


def _checked(seen: Evidence) -> Measurement:
    control = seen.of("check-repaired")
    step, found = control.step("clean-up"), control.between("16:42", "26:30", SEAMLESS)
    measured = f"the removal was {step.state}; {_text(found)}"
    return Measurement(measured, status_of(step.state == "defended" and found.none_bad), step.evidence)


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("D1", "Impact begins at 16:42 UTC", "16:42", _begin),
    PublishedClaim("D2", "94 % of the customers concerned are well by 18:35", "94 %", _most),
    PublishedClaim("D3", "The others are by 01:15 of the next day", "01:15", _rest),
    PublishedClaim("D4", "No other way to sign in is concerned", "none", _no_other),
    PublishedClaim("D5", "Ours: caches decide when each customer fails and recovers", "ours", _curve),
    PublishedClaim("D6", "Ours: without caches all fail and recover with the record", "ours", _uncached),
    PublishedClaim("D7", "Ours: a check of whether the record is in use refuses its removal", "ours: refused", _checked),
)
