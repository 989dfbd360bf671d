"""What AWS's post-event summary says of STS, IAM and sign-in in us-east-1 on 20 October 2025, compared with a run's record.

Times are PDT there and UTC here. The two causes are stood in for, as the incident's page says: what is measured is how far each
reaches, whom it spares, and who had not known that it depended on us-east-1.
"""

from __future__ import annotations

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result
from brownout.suites.incidents.aws_evidence import asked, errors, failures, of_text
from brownout.suites.incidents.evidence import Evidence, clock, interval_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, not_testable, status_of

INCIDENT_POSTURE = "as-of-2025-10"
# Two minutes off each edge: a compressed clock makes them a fraction of a second.
FIRST, SIGN_IN_ONLY, BETWEEN, SECOND = ("06:53", "08:17"), ("08:20", "08:24"), ("08:27", "15:29"), ("15:33", "16:57")
WHOLE = ("06:12", "17:30")
AT_HOME, REGIONAL, GLOBAL = (
    ("sts-virginia", "global-virginia"),
    ("sts-dublin", "sts-tokyo", "role-apps-dublin"),
    ("global-dublin",),
)
HIDDEN = ("group-lookups-dublin",)
CONSOLE_AT_HOME, CONSOLE_GLOBAL, CONSOLE_REGIONAL = ("console-virginia",), ("console-dublin-global",), ("console-dublin",)


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for a posture that is not the event's."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == INCIDENT_POSTURE else ()


def _first(seen: Evidence) -> Measurement:
    found = failures(seen, FIRST, AT_HOME)
    return Measurement(f"{of_text(found)} fail from 06:53 to 08:17", status_of(found.all_bad), "", interval_text(found))


def _second(seen: Evidence) -> Measurement:
    found = failures(seen, SECOND, AT_HOME)
    return Measurement(f"{of_text(found)} fail from 15:33 to 16:57", status_of(found.all_bad), "", interval_text(found))


def _between(seen: Evidence) -> Measurement:
    found = failures(seen, BETWEEN, AT_HOME)
    return Measurement(f"{of_text(found)} fail from 08:27 to 15:29", status_of(found.none_bad), "", interval_text(found))


def _causes(seen: Evidence) -> Measurement:
    told = [", ".join(sorted(errors(seen, window, AT_HOME))) or "none" for window in (FIRST, SECOND)]
    first, second = seen.of("first-window-only"), seen.of("second-window-only")
    alone = (failures(first, SECOND, AT_HOME), failures(second, FIRST, AT_HOME))
    kept = (failures(first, FIRST, AT_HOME), failures(second, SECOND, AT_HOME))
    measured = f"first {told[0]}, second {told[1]}; without the other's cause {of_text(alone[0])} and {of_text(alone[1])} fail"
    apart = told[0] != told[1] and all(one.none_bad for one in alone) and all(one.all_bad for one in kept)
    return Measurement(measured, status_of(apart), "control runs first-window-only and second-window-only")


def _hidden_call(seen: Evidence) -> Measurement:
    first, tail = failures(seen, FIRST, HIDDEN), failures(seen, SIGN_IN_ONLY, HIDDEN)
    control = failures(seen.of("second-window-only"), FIRST, HIDDEN)
    spans = f"{of_text(first)} in Dublin fail in the first window, and {of_text(tail)} until 08:24"
    measured = f"{spans}; {of_text(control)} without its cause"
    how = "Redshift asked IAM in us-east-1 for a user's groups; here a service that asks IAM at each request"
    return Measurement(measured, status_of(first.all_bad and tail.all_bad and control.none_bad), how, interval_text(first))


def _hidden_spared(seen: Evidence) -> Measurement:
    found = failures(seen, SECOND, HIDDEN)
    return Measurement(f"{of_text(found)} fail in the second window", status_of(found.none_bad), "", interval_text(found))


def _elsewhere(seen: Evidence) -> Measurement:
    found = failures(seen, WHOLE, REGIONAL)
    return Measurement(f"{of_text(found)} failed all day", status_of(found.none_bad), "by regional names", interval_text(found))


def _global_name(seen: Evidence) -> Measurement:
    found, control = failures(seen, WHOLE, GLOBAL), failures(seen.of("global-name-home"), SECOND, GLOBAL)
    other = f"were it served in us-east-1 only, {of_text(control)} in the second window"
    measured = f"{of_text(found)} of Dublin's calls by it fail; {other}"
    return Measurement(
        measured, status_of(found.none_bad and control.all_bad), "control run global-name-home", interval_text(found)
    )


def _sessions(seen: Evidence) -> Measurement:
    found = failures(seen, FIRST, ["role-apps-virginia"])
    first_s = next(one.sent_s for one in asked(seen, FIRST, ["role-apps-virginia"]) if one.outcome != "happened")
    measured = f"{of_text(found)} reads of applications at home fail, the first at {clock(first_s)}"
    outlasts = 0 < found.bad < found.total
    how = "sessions of an hour, which botocore renews a quarter of an hour before their end and needs ten minutes before"
    return Measurement(measured, status_of(outlasts), how, interval_text(found))


def _sign_in(seen: Evidence) -> Measurement:
    during, tail = failures(seen, FIRST, CONSOLE_AT_HOME), failures(seen, SIGN_IN_ONLY, CONSOLE_AT_HOME)
    after, sts = failures(seen, BETWEEN, CONSOLE_AT_HOME), failures(seen, SIGN_IN_ONLY, AT_HOME)
    spans = f"{of_text(during)} fail in the first window, {of_text(tail)} from 08:20 to 08:24, {of_text(after)} from 08:27"
    longer = during.all_bad and tail.all_bad and after.none_bad and sts.none_bad
    how = "users of IAM with a password and a code, at us-east-1's own address"
    return Measurement(f"{spans}; of STS {of_text(sts)} until 08:24", status_of(longer), how, interval_text(during))


def _sign_in_elsewhere(seen: Evidence) -> Measurement:
    by_global, by_region = failures(seen, FIRST, CONSOLE_GLOBAL), failures(seen, FIRST, CONSOLE_REGIONAL)
    measured = f"{of_text(by_global)} of Dublin's people fail by the global address, {of_text(by_region)} by their region's"
    how = "users of IAM; root users and federation are not emulated, and lean on the global address as these do"
    return Measurement(measured, status_of(by_global.all_bad and by_region.none_bad), how, interval_text(by_global))


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("E1", "STS of us-east-1 had errors in a first window", "11:51 PM to 1:19 AM", _first),
    PublishedClaim("E2", "and again in a second one", "8:31 to 9:59 AM", _second),
    PublishedClaim("E3", "with hours between them in which it was well", "recovered 1:19 AM", _between),
    PublishedClaim("E4", "for two different reasons", "an empty record; load balancers", _causes),
    PublishedClaim("E5", "A service in all regions failed: it asked IAM in us-east-1", "Redshift, all regions", _hidden_call),
    PublishedClaim("E6", "The second window was STS's alone", "STS is named, IAM is not", _hidden_spared),
    PublishedClaim("E7", "STS of other regions is not named", "us-east-1", _elsewhere),
    PublishedClaim("E8", "The global name of STS is served in the caller's region", "since April 2025", _global_name),
    PublishedClaim("E9", "Who has a session goes on for a while", "an hour by default", _sessions),
    PublishedClaim("E10", "IAM users' sign-in failed for six minutes longer than STS", "11:51 PM to 1:25 AM", _sign_in),
    PublishedClaim(
        "E11",
        "Sign-in failed for consoles outside us-east-1 too",
        "root, and federation by the global name",
        _sign_in_elsewhere,
    ),
    PublishedClaim(
        "E12",
        "Two enactors raced and left an empty record of DynamoDB's name",
        "11:48 PM to 2:25 AM",
        not_testable("DynamoDB is not emulated; STS's own record is emptied in its place"),
    ),
    PublishedClaim(
        "E13",
        "Health checks of load balancers took healthy nodes out",
        "fail-over disabled 9:36 AM",
        not_testable("load balancers are not emulated; the way to STS's nodes is reset in their place"),
    ),
    PublishedClaim("E14", "All was over", "2:20 PM, 14.5 h", not_testable("EC2 and its backlog are not emulated")),
    PublishedClaim(
        "E15",
        "A tool elsewhere that called Organizations failed",
        "a user's report",
        not_testable("Organizations is not emulated; E5 is a dependency of the same kind"),
    ),
)
