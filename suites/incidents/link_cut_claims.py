"""What IAM's documentation on resilience promises for a cut between regions, compared with the record of the run `link-cut`.

Claims have the numbers of docs/aws-resilience.md, where each is tested by itself too, also over times that no run lasts: a
promise of 24 hours or for ever is `not-decided` by a run of one.
"""

from __future__ import annotations

from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, ClaimStatus, Result
from brownout.suites.incidents.aws_evidence import account_versions, failures, names_in, nodes_in, of_text
from brownout.suites.incidents.evidence import Counted, Evidence, interval_text
from brownout.suites.incidents.published_claims import Measurement, PublishedClaim, judged, status_of

POSTURE = "as-documented"
BEFORE, CUT, AFTER_MIDNIGHT, AFTER = ("23:02", "23:32"), ("23:33", "24:31"), ("24:01", "24:31"), ("24:34", "24:47")
WHOLE = ("23:02", "24:47")
REGIONAL, APPS = ("regional-assumers",), ("instance-apps", "role-apps")
BEYOND, AT_HOME = ("administrators",), ("home-administrators", "home-assumers")
CONSOLE_REGIONAL, CONSOLE_GLOBAL, CONSOLE_KEYS = "console-regional", "console-global", "console-keys"
IAM_NAME = "iam.amazonaws.com"
ALONE = "suites/resilience/test_claims.py tests it by itself"


def claims(history: History, result: Result, controls: ControlRecords) -> tuple[ClaimResult, ...]:
    """The fidelity table; empty for another posture than that of the documentation."""
    return judged(CLAIMS, Evidence(history, result, controls)) if result.posture == POSTURE else ()


def _longer_than_the_run(found: Counted) -> ClaimStatus:
    """A run in which nothing failed cannot decide a promise of longer times; one in which something did, can."""
    return "not-decided" if found.none_bad else "differs"


def _one_endpoint(seen: Evidence) -> Measurement:
    names = names_in(seen, WHOLE, [*BEYOND, "home-administrators"])
    measured = f"administrators of both regions call {', '.join(sorted(names))}"
    return Measurement(measured, status_of(names == {IAM_NAME}), "the name in the trail of every call")


def _regional_data(seen: Evidence) -> Measurement:
    nodes = nodes_in(seen, CUT, [*REGIONAL, *APPS])
    away = sorted(node for node in nodes if node.startswith("sydney."))
    measured = f"nodes that served Melbourne's clients: {len(nodes)}, of Sydney {', '.join(away) or 'none'}"
    return Measurement(measured, status_of(not away), "trails of all calls of STS and secrets in the cut")


def _authenticates(seen: Evidence) -> Measurement:
    found, api = failures(seen, CUT, REGIONAL), failures(seen, CUT, BEYOND)
    measured = f"{of_text(found)} calls of STS fail, while {of_text(api)} calls of IAM do"
    return Measurement(measured, status_of(found.none_bad and api.all_bad), "by the regional name", interval_text(found))


def _authorizes(seen: Evidence) -> Measurement:
    found = failures(seen, CUT, APPS)
    how = f"what policies allow; that they still deny is not part of this load: {ALONE}"
    return Measurement(f"{of_text(found)} reads of secrets fail", status_of(found.none_bad), how, interval_text(found))


def _depends(seen: Evidence) -> Measurement:
    to_home, from_home = (failures(seen.of(name), CUT, BEYOND) for name in ("only-to-home", "only-from-home"))
    measured = (
        f"cut to Sydney only, {of_text(to_home)} of Melbourne's calls of IAM fail; cut from it only, {of_text(from_home)}"
    )
    return Measurement(
        measured, status_of(to_home.all_bad and from_home.none_bad), "control runs only-to-home and only-from-home"
    )


def _for_ever(seen: Evidence) -> Measurement:
    found, control = failures(seen, CUT, REGIONAL), failures(seen.of("fragile-keys"), AFTER_MIDNIGHT, REGIONAL)
    measured = f"{of_text(found)} fail in an hour over midnight; had regions keys of one day only, {of_text(control)} after it"
    how = f"control run fragile-keys; {ALONE}, over a month"
    return Measurement(measured, _longer_than_the_run(found) if control.all_bad else "differs", how, interval_text(found))


def _a_day(seen: Evidence) -> Measurement:
    found = failures(seen, CUT, [*REGIONAL, "role-apps"], "assume-role", "session-token", "role-secret")
    how = f"one hour of it; {ALONE}, over 24 hours"
    return Measurement(
        f"{of_text(found)} requests for new credentials fail", _longer_than_the_run(found), how, interval_text(found)
    )


def _operations(seen: Evidence) -> Measurement:
    each = {name: failures(seen, CUT, REGIONAL, name) for name in ("assume-role", "session-token")}
    measured = ", ".join(f"{name} {of_text(found)} fail" for name, found in each.items())
    how = f"two of the five that generate credentials; the others are not part of this load: {ALONE}"
    return Measurement(measured, status_of(all(found.none_bad for found in each.values())), how)


def _changes(seen: Evidence) -> Measurement:
    found, home = failures(seen, CUT, BEYOND, "put-role-policy"), failures(seen, CUT, AT_HOME)
    measured = f"{of_text(found)} changes from Melbourne fail, {of_text(home)} calls in Sydney"
    return Measurement(measured, status_of(found.all_bad and home.none_bad), "", interval_text(found))


def _not_reflected(seen: Evidence) -> Measurement:
    cut = account_versions(seen, CUT, ("melbourne", "sydney"))
    after = account_versions(seen, AFTER, ("melbourne",), least_looks=1)
    moves = cut["sydney"].least < cut["sydney"].greatest
    caught_up = after["melbourne"].greatest >= cut["sydney"].greatest
    measured = (
        f"in the cut Melbourne holds version {cut['melbourne']} of the account, Sydney {cut['sydney']}; "
        f"afterwards Melbourne {after['melbourne'].greatest}"
    )
    return Measurement(measured, status_of(cut["melbourne"].stand and moves and caught_up), "looks at the nodes' versions")


def _regional_name(seen: Evidence) -> Measurement:
    by_region, by_global = failures(seen, CUT, REGIONAL), failures(seen, CUT, ["global-assumers"])
    control = failures(seen.of("local-global-name"), CUT, ["global-assumers"])
    shares = f"{of_text(by_region)} fail by the regional name, {of_text(by_global)} by the global one"
    measured = f"{shares}; {of_text(control)} by a local one"
    how = "control run local-global-name: the global name as it is served since 2025"
    return Measurement(measured, status_of(by_region.none_bad and by_global.all_bad and control.none_bad), how)


def _existing(seen: Evidence) -> Measurement:
    found, changes = failures(seen, CUT, ["role-apps"]), failures(seen, CUT, BEYOND, "put-role-policy")
    measured = f"{of_text(found)} fail that work with an existing role, {of_text(changes)} that change one"
    return Measurement(measured, status_of(found.none_bad and changes.all_bad), "", interval_text(found))


def _sign_in(seen: Evidence) -> Measurement:
    console = seen.of("console")
    regional, by_global = failures(console, CUT, [CONSOLE_REGIONAL]), failures(console, CUT, [CONSOLE_GLOBAL])
    measured = f"{of_text(regional)} fail by the region's own address, {of_text(by_global)} by the global one"
    how = "control run console: a password and a one-time code"
    return Measurement(measured, status_of(regional.none_bad and by_global.all_bad), how, interval_text(regional))


def _security_keys(seen: Evidence) -> Measurement:
    console = seen.of("console")
    before, found = failures(console, BEFORE, [CONSOLE_KEYS]), failures(console, CUT, [CONSOLE_KEYS])
    codes = failures(console, CUT, [CONSOLE_REGIONAL])
    measured = f"{of_text(found)} fail with a security key by the region's own address, {of_text(codes)} with a one-time code"
    model = "that only the home region checks keys is our model"
    how = f"control run console; {of_text(before)} fail with a key before the cut; {model}"
    return Measurement(measured, status_of(before.none_bad and found.all_bad and codes.none_bad), how, interval_text(found))


CLAIMS: tuple[PublishedClaim, ...] = (
    PublishedClaim("C1", "IAM has one endpoint for all regions", "global endpoint", _one_endpoint),
    PublishedClaim("C4", "A region lets in and authorizes with its own data", "data plane in each region", _regional_data),
    PublishedClaim("C10", "STS authenticates when IAM's endpoint is out of reach", "can still authenticate", _authenticates),
    PublishedClaim("C11", "and IAM still authorizes requests", "can authorize your requests", _authorizes),
    PublishedClaim("C12", "The details of the event decide what works", "will determine your ability", _depends),
    PublishedClaim("C13", "Long-term access keys authenticate in a region", "indefinitely", _for_ever),
    PublishedClaim("C14", "Regional STS gives new temporary credentials", "for at least 24 hours", _a_day),
    PublishedClaim("C15", "by the operations that generate them", "five operations", _operations),
    PublishedClaim("C16", "Principals and permissions cannot be changed", "might not be able to", _changes),
    PublishedClaim("C18", "Recent changes are not reflected", "might not be reflected", _not_reflected),
    PublishedClaim("C21", "A regional sign-in endpoint lets IAM users in", "might be able to", _sign_in),
    PublishedClaim("C22", "U2F may not complete", "might not be able to", _security_keys),
    PublishedClaim("C23", "Use the regional endpoint of STS", "best practice", _regional_name),
    PublishedClaim("C24", "Fall back to existing resources of IAM", "best practice", _existing),
)
