"""What AWS's dashboard said of IAM on 26 August 2021, each statement compared with the record of a run.

The only copy is a quotation in an article (docs/incidents/aws-iam-2021-08-26.md). Times are PDT there and UTC here. That faults
begin and end when they did is in the schedule; what is measured is whom they reach, whom they spare, and how.
"""

from __future__ import annotations

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result
from brownout.suites.incidents.aws_evidence import Window, account_versions, denied, failures, latency_ms, of_text
from brownout.suites.incidents.evidence import Evidence, interval_text, share_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, not_testable, status_of

INCIDENT_POSTURE = "as-of-2021-08"
BEFORE, API_TROUBLE, DELAY_ONLY, AFTER = ("13:12", "13:44"), ("13:45", "16:12"), ("16:13", "17:01"), ("17:03", "17:32")
DELAYED, WHOLE = ("13:45", "17:01"), ("13:12", "17:32")
API_AGAIN: Window = ("16:13", "17:32")
EXISTING = ("existing-dublin", "existing-milan", "existing-capetown", "machines-milan", "machines-dublin")
NEW = ("new-in-dublin", "new-in-milan", "new-in-capetown")
HERE, THERE = NEW[:1], NEW[1:]
FOUR, OTHERS = ("bahrain", "milan", "hongkong", "capetown"), ("virginia", "dublin")
MOSTLY = 0.9  # of the assumptions: a role that was made right before the fault may be known


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the event's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == INCIDENT_POSTURE else ()


def _errors(seen: Evidence) -> Measurement:
    during, before, after = (failures(seen, window, ["api"]) for window in (API_TROUBLE, BEFORE, API_AGAIN))
    measured = f"{share_text(during)} fail from 13:45 to 16:12, {of_text(before)} before, {of_text(after)} after"
    how = "that share was made up (schedule.api-errors.with.share), so only when and whether it is above zero is measured"
    return Measurement(measured, status_of(during.bad > 0 and before.none_bad and after.none_bad), how, interval_text(during))


def _latency(seen: Evidence) -> Measurement:
    during, before, after = (latency_ms(seen, window, ["api"]) for window in (API_TROUBLE, BEFORE, API_AGAIN))
    measured = f"median {during:.0f} ms, {before:.0f} ms before and {after:.0f} ms after"
    elevated = during > 2 * max(before, after)
    return Measurement(measured, "calibrated" if elevated else "differs", "schedule.api-latency.with.delay, made up")


def _describing(seen: Evidence) -> Measurement:
    step = seen.step("describe-lag")
    if step.bitten_s is None:
        return Measurement("descriptions were not seen to lag", "differs", step.evidence)
    return Measurement(
        step.describe, "calibrated", f"schedule.describe-lag.with.lag, made up; the fault's look: {step.evidence}"
    )


def _propagation(seen: Evidence) -> Measurement:
    still, moving = account_versions(seen, DELAYED, FOUR), account_versions(seen, DELAYED, OTHERS)
    stands = all(versions.stand for versions in still.values())
    moves = all(versions.least < versions.greatest for versions in moving.values())
    measured = "; ".join(f"{region} {versions}" for region, versions in {**still, **moving}.items())
    return Measurement(measured, status_of(stands and moves), "versions of the account on the regions' nodes, 13:45 to 17:01")


def _new_principals(seen: Evidence) -> Measurement:
    found, control = denied(seen, DELAYED, THERE), denied(seen.of("propagation-well"), DELAYED, THERE)
    measured = f"{share_text(found)} of the assumptions of a new role denied; {of_text(control)} with well propagation"
    how = "control run propagation-well; Milan and Cape Town have clients in this load"
    return Measurement(measured, status_of(found.low > MOSTLY and control.none_bad), how, interval_text(found))


def _other_regions(seen: Evidence) -> Measurement:
    found = denied(seen, WHOLE, HERE)
    return Measurement(f"{of_text(found)} denied in Dublin", status_of(found.none_bad), "", interval_text(found))


def _existing(seen: Evidence) -> Measurement:
    found = failures(seen, WHOLE, EXISTING)
    how = "users, roles and machines in a region that gets changes and in two that do not, all day"
    return Measurement(f"{of_text(found)} failed", status_of(found.none_bad), how, interval_text(found))


def _provisioning(seen: Evidence) -> Measurement:
    during, after = (failures(seen, window, NEW, "create-role") for window in (API_TROUBLE, DELAY_ONLY))
    control = failures(seen.of("api-well"), API_TROUBLE, NEW, "create-role")
    measured = f"{share_text(during)} of what makes roles fails, {of_text(control)} with a well API"
    how = "programs that make a role and then use it, in three regions; control run api-well"
    return Measurement(measured, status_of(during.bad > 0 and control.none_bad and after.none_bad), how, interval_text(during))


def _apart(seen: Evidence) -> Measurement:
    api, new = failures(seen, DELAY_ONLY, ["api"]), denied(seen, DELAY_ONLY, THERE)
    measured = f"from 16:13 to 17:01 {of_text(api)} calls fail, and {share_text(new)} of new roles are denied there"
    return Measurement(measured, status_of(api.none_bad and new.low > MOSTLY), "50 minutes with one half of the event")


def _resolved(seen: Evidence) -> Measurement:
    found = failures(seen, AFTER, ("api", *EXISTING, *NEW))
    return Measurement(f"{of_text(found)} failed from 17:03 on", status_of(found.none_bad), "", interval_text(found))


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("C29.1", "The IAM API had elevated error rates", "6:44 to 9:12 AM, no rate", _errors),
    PublishedClaim("C29.2", "Its latency was elevated", "6:44 to 9:12 AM, no figure", _latency),
    PublishedClaim("C29.3", "What was recently made or changed was described late", "6:44 to 9:12 AM, no figure", _describing),
    PublishedClaim("C29.4", "Propagation was delayed in four regions", "6:44 to 10:02 AM", _propagation),
    PublishedClaim("C29.5", "New principals may not have been available there", "may not have been available", _new_principals),
    PublishedClaim("C29.6", "Other regions are not named", "four regions", _other_regions),
    PublishedClaim("C29.7", "Existing principals were not impacted", "not impacted", _existing),
    PublishedClaim("C29.8", "Services that make principals, as CloudFormation, were impacted", "impacted", _provisioning),
    PublishedClaim("C29.9", "The API was well 50 minutes before propagation was", "9:12 and 10:02 AM", _apart),
    PublishedClaim("C29.10", "The issue was resolved and all was normal", "10:02 AM", _resolved),
    PublishedClaim(
        "C29.11",
        "The first post came at 9:52 AM",
        "188 min after the start",
        not_testable("how long people take to tell is not simulated"),
    ),
    PublishedClaim("C29.12", "The cause", "not published", not_testable("nothing was published, so nothing is modelled")),
)
