"""The claims of source 002, D1 to D11, and the forecast, compared with the record of a run (docs/reference/sources.md).

The source saw one cluster once. What it guessed (D8) is told from what it saw by runs that differ in one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result
from brownout.suites.incidents.evidence import Counted, Evidence
from brownout.suites.incidents.published_claims import (
    Measurement,
    PublishedClaim,
    judged,
    not_testable,
    status_of,
)

POSTURE = "as-of-2020-05"
UNNAMED = ("pods", "machines")
HOUR_S = 3600.0
# A day after the add-on came, and after it went. At 500 times the speed a request of 31:29 is answered, and the add-on gone,
# minutes after 31:30, so both keep away from that.
AT_LAST, HEALED = ("30:58", "31:25"), ("31:40", "32:30")
TEXTS = {
    "2020": "Identity not found",
    "2024": "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity "
    "in the token request",
}
SUITE = "suites/incidents/test_identity_not_found.py"


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the source's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def first_failures(seen: Evidence, cohorts: Iterable[str] = UNNAMED) -> Mapping[str, float]:
    """By machine the emulated time of the first request that was refused after the add-on was enabled."""
    found: dict[str, float] = {}
    for request in seen.history.select(cohorts=cohorts, start_s=seen.fault_s, end_s=seen.recovery_s):
        if request.outcome == "refused":
            found.setdefault(request.machine, request.intended_s)
    return found


def failure_spans(seen: Evidence, cohorts: Iterable[str] = UNNAMED) -> Mapping[str, tuple[float, float]]:
    """By machine the emulated span in which it began to fail, as its clients saw it; without an end for one that never did.

    A host decides somewhere between a request's departure and the arrival of its answer: milliseconds in the simulation,
    minutes in a run at 500 times the speed. So the span is from the last answered request's departure (0 without one) to the
    first refusal's arrival.
    """
    spans: dict[str, tuple[float, float]] = {}
    for request in seen.history.select(cohorts=cohorts, end_s=seen.recovery_s):
        since_s, until_s = spans.get(request.machine, (0.0, float("inf")))
        if request.outcome == "happened":
            spans[request.machine] = max(since_s, request.sent_s), until_s
        elif request.outcome == "refused" and request.intended_s >= seen.fault_s:
            spans[request.machine] = since_s, min(until_s, request.done_s)
    return spans


def forecast(seen: Evidence, step: str) -> tuple[Mapping[str, Any], ...]:
    """What the look ahead reported; raises LookupError."""
    return _reported(seen, step, "failing")


def _reported(seen: Evidence, step: str, what: str) -> tuple[Mapping[str, Any], ...]:
    for event in seen.history.events:
        if event.kind == "act" and event.subject == step and "report" in event.detail:
            return tuple(event.detail["report"][what])
    raise LookupError(f"the report of {step}")


def _text(found: Counted) -> str:
    return f"{found.bad} of {found.total} failed"


def _one_needs_no_name(seen: Evidence) -> Measurement:
    before, neighbours = seen.between("06:00", "07:00", UNNAMED), seen.between("06:00", "32:30", ["neighbours"])
    measured = f"before the add-on {_text(before)}; on machines without it {_text(neighbours)} all day"
    return Measurement(measured, status_of(before.none_bad and neighbours.none_bad), "requests that name no identity")


def _several_need_one(seen: Evidence) -> Measurement:
    pods, machines = (seen.between(*AT_LAST, [name]) for name in UNNAMED)
    without = seen.of("no-add-on").between(*AT_LAST, UNNAMED)
    measured = f"a day later: pods {_text(pods)}, plain machines {_text(machines)}; without the add-on {_text(without)}"
    return Measurement(measured, status_of(pods.all_bad and machines.all_bad and without.none_bad), "control run no-add-on")


def _words(seen: Evidence) -> Measurement:
    told = {str(each["reason"]) for each in forecast(seen, "look-ahead")}
    later = {str(each["reason"]) for each in forecast(seen.of("early-refresh"), "look-ahead")}
    codes = {request.error for request in seen.history.requests if request.outcome == "refused"}
    measured = f"{', '.join(sorted(codes))}: {', '.join(sorted(told))}; with the setting of 2024: {', '.join(sorted(later))}"
    holds = told == {TEXTS["2020"]} and later == {TEXTS["2024"]} and codes == {"invalid_request"}
    return Measurement(measured, status_of(holds), "control run early-refresh has ambiguous_text 2024")


def _delay(seen: Evidence) -> Measurement:
    first, nodes = first_failures(seen), {r.machine for r in seen.history.select(cohorts=UNNAMED)}
    hours = sorted((at_s - seen.fault_s) / HOUR_S for at_s in first.values())
    if not hours:
        return Measurement("no node failed", "differs")
    early, late = (
        (min(first_failures(seen.of(control)).values()) - seen.fault_s) / HOUR_S
        for control in ("refresh-at-expiry", "early-refresh")
    )
    spread = f"after {hours[0]:.1f} to {hours[-1]:.1f} h, half of them by {median(hours):.1f} h"
    measured = f"{len(hours)} of {len(nodes)} nodes fail, {spread}"
    how = (
        "the age of each node's token decides, so when hosts refresh: at a token's end the first node fails "
        f"after {early:.1f} h, at half of its life after {late:.1f} h (control runs), so the source's hosts did in between"
    )
    at_last = seen.between(*AT_LAST, UNNAMED)  # a node that is not asked after its token ended is in no log
    spans = hours[0] > 2 and hours[-1] <= 24 and early < 2 and late > 11.5
    holds = at_last.all_bad and len(hours) > 0.9 * len(nodes) and spans
    return Measurement(measured, "calibrated" if holds else "differs", how)


def _detach_heals(seen: Evidence) -> Measurement:
    after = seen.between(*HEALED, UNNAMED)
    return Measurement(
        _text(after), status_of(after.none_bad), "from 10 min after the add-on was disabled, with no client changed"
    )


def _naming_heals(seen: Evidence) -> Measurement:
    naming, others = seen.between("07:00", "31:30", ["pods-naming"]), seen.between(*AT_LAST, ["pods"])
    measured = f"naming it: {_text(naming)} in 24 h; not naming it, on the same nodes: {_text(others)} at the end"
    return Measurement(
        measured, status_of(naming.none_bad and others.all_bad), f"msi_res_id here; client_id, object_id in {SUITE}"
    )


def _hidden_by_cache(seen: Evidence) -> Measurement:
    cached, bare = (one.between("07:02", "07:30", UNNAMED) for one in (seen, seen.of("no-host-cache")))
    measured = f"in the first half hour {_text(cached)}; with hosts that cache nothing {_text(bare)}"
    return Measurement(measured, status_of(cached.none_bad and bare.all_bad), "control run no-host-cache")


def _other_add_ons(seen: Evidence) -> Measurement:
    found = seen.of("another-add-on").between(*AT_LAST, UNNAMED)
    return Measurement(
        _text(found), status_of(found.all_bad), "control run another-add-on: an identity azurepolicy in place of omsagent"
    )


def _silent_change(seen: Evidence) -> Measurement:
    control = seen.of("own-identity")
    found, changing = control.between("07:00", "32:30", ["machines"]), _reported(control, "look-for-changes", "changing")
    others = {str(each["identity"]) for each in changing}
    measured = f"{_text(found)}; {len(changing)} machines get the token of another identity, their own"
    holds = found.none_bad and len(changing) == 8 and all(name.startswith("vm-") for name in others)
    return Measurement(measured, status_of(holds), "control run own-identity: each plain machine gets an identity of its own")


def _forecast(seen: Evidence) -> Measurement:
    told = {str(each["machine"]): float(each["fails_s"]) for each in forecast(seen, "look-ahead") if not each["named"]}
    spans = failure_spans(seen)
    wrong = [name for name, hour_s in told.items() if name in spans and not spans[name][0] <= hour_s <= spans[name][1]]
    missed = [name for name, (_, until_s) in spans.items() if until_s < float("inf") and name not in told]
    before = _reported(seen, "look-before", "failing")
    lead = (min(told.values()) - seen.step("look-ahead").at_s) / HOUR_S if told else 0.0
    measured = (
        f"{len(told)} nodes named with their hour before any failed, the first {lead:.1f} h ahead; {len(wrong)} hours wrong, "
        f"{len(missed)} failures not foreseen; {len(before)} named before the add-on"
    )
    holds = bool(told) and not wrong and not missed and not before
    return Measurement(
        measured,
        status_of(holds),
        "the hour lies between the departure of a node's last answered request and the arrival of its first refusal",
    )


def _defence(seen: Evidence) -> Measurement:
    control = seen.of("checked-first")
    step, found = control.step("enable-add-on"), control.between("07:00", "32:30", UNNAMED)
    measured = f"the add-on was {step.state}; {_text(found)}"
    return Measurement(measured, status_of(step.state == "defended" and found.none_bad), step.evidence)


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("D1", "With one identity a caller has to name none", "works", _one_needs_no_name),
    PublishedClaim(
        "D2", "With several, on clusters and plain machines, who names none gets no token", "fails", _several_need_one
    ),
    PublishedClaim("D3", "The words of the error", f"invalid_request, {TEXTS['2020']}", _words),
    PublishedClaim(
        "D4",
        "curl, the SDK and the command line fail alike",
        "all fail",
        not_testable(
            f"real clients are no load: {SUITE} runs plain HTTP, azure-identity sync and async, and msal; az is not run"
        ),
    ),
    PublishedClaim("D5", "It works on for several hours to a day, then every pod fails", "hours to 24 h", _delay),
    PublishedClaim("D6", "Disabling the add-on heals it", "heals", _detach_heals),
    PublishedClaim("D7", "Naming the identity heals it", "works", _naming_heals),
    PublishedClaim("D8", "A cache in IMDS hides it (the author's guess)", "guessed", _hidden_by_cache),
    PublishedClaim(
        "D9", "Any other add-on with an identity does the same (not tried by the author)", "expected", _other_add_ons
    ),
    PublishedClaim(
        "D10",
        "Today's SDKs hide it differently: sync until the end of the token, async until half of its life",
        "ours: 23 h 55 min, 12 h",
        not_testable(f"real clients are no load: {SUITE} runs both on a moved clock"),
    ),
    PublishedClaim("D11", "An identity of its own changes what callers get, without an error", "ours: silent", _silent_change),
    PublishedClaim("D12", "Ours: a look ahead names every node and its hour before any fails", "ours: all", _forecast),
    PublishedClaim("D13", "Ours: who asks first is refused, and nothing fails", "ours: refused", _defence),
)
