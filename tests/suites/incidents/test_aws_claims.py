"""The claims about AWS's events: each holds on the record of its experiment, and differs on a record that contradicts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.record.history import Event, History
from brownout.harness.record.result import ClaimStatus, Result
from brownout.suites.incidents import aws_iam_2021_claims as iam
from brownout.suites.incidents import aws_us_east_1_2025_claims as east
from brownout.suites.incidents import link_cut_claims as cut
from support.thin_replays import ITSELF, THIN, Replays, replays

pytestmark = pytest.mark.slow

Contradiction = Callable[[Replays], Replays]


def _no_versions_stand_still(history: History, result: Result) -> tuple[History, Result]:
    """Every node's account is newer at each look than at the one before."""
    return replace(history, events=tuple(_newer(event, number) for number, event in enumerate(history.events))), result


def _newer(event: Event, number: int) -> Event:
    if (event.kind, event.what) != ("look", "state"):
        return event
    held = {node: {**versions, "account": number} for node, versions in event.detail["held"].items()}
    return replace(event, detail={**event.detail, "held": held})


def _never_seen(history: History, result: Result) -> tuple[History, Result]:
    steps = tuple(step.model_copy(update={"bitten_s": None}) for step in result.steps)
    return history, result.model_copy(update={"steps": steps})


def _at_home(text: str) -> str:
    return text.replace("melbourne.", "sydney.")


IAM: Mapping[str, Contradiction] = {
    "C29.1": lambda seen: seen.told(iam.API_TROUBLE, ("api",), ok=True),
    "C29.2": lambda seen: seen.each(iam.API_TROUBLE, ("api",), change=lambda one: one._replace(latency_ms=1.0)),
    "C29.3": lambda seen: seen.changed(ITSELF, _never_seen),
    "C29.4": lambda seen: seen.changed(ITSELF, _no_versions_stand_still),
    "C29.5": lambda seen: seen.told(iam.DELAYED, iam.THERE, "use-new-role", control="propagation-well", error="AccessDenied"),
    "C29.6": lambda seen: seen.told(iam.DELAYED, iam.HERE, "use-new-role", error="AccessDenied"),
    "C29.7": lambda seen: seen.told(iam.DELAY_ONLY, ("existing-milan",)),
    "C29.8": lambda seen: seen.told(iam.API_TROUBLE, iam.NEW, "create-role", control="api-well"),
    "C29.9": lambda seen: seen.told(iam.DELAY_ONLY, ("api",)),
    "C29.10": lambda seen: seen.told(iam.AFTER, ("new-in-milan",)),
}
EAST: Mapping[str, Contradiction] = {
    "E1": lambda seen: seen.told(("07:00", "07:30"), east.AT_HOME, ok=True),
    "E2": lambda seen: seen.told(("16:00", "16:30"), east.AT_HOME, ok=True),
    "E3": lambda seen: seen.told(("10:00", "11:00"), east.AT_HOME),
    "E4": lambda seen: seen.told(east.SECOND, east.AT_HOME, control="first-window-only"),
    "E5": lambda seen: seen.told(east.FIRST, east.HIDDEN, control="second-window-only"),
    "E6": lambda seen: seen.told(east.SECOND, east.HIDDEN),
    "E7": lambda seen: seen.told(east.FIRST, ("sts-tokyo",)),
    "E8": lambda seen: seen.told(east.SECOND, east.GLOBAL, control="global-name-home", ok=True),
    "E9": lambda seen: seen.told(east.FIRST, ("role-apps-virginia",)),
    "E10": lambda seen: seen.told(east.SIGN_IN_ONLY, east.CONSOLE_AT_HOME, ok=True),
    "E11": lambda seen: seen.told(east.FIRST, east.CONSOLE_REGIONAL),
}
CUT: Mapping[str, Contradiction] = {
    "C1": lambda seen: seen.each(
        cut.CUT, cut.BEYOND, change=lambda one: one._replace(trail="client.edge;;iam.ap-southeast-4.amazonaws.com@melbourne;;")
    ),
    "C4": lambda seen: seen.each(cut.CUT, cut.REGIONAL, change=lambda one: one._replace(trail=_at_home(one.trail))),
    "C10": lambda seen: seen.told(cut.CUT, cut.REGIONAL, "caller-identity"),
    "C11": lambda seen: seen.told(cut.CUT, ("instance-apps",)),
    "C12": lambda seen: seen.told(cut.CUT, cut.BEYOND, control="only-from-home"),
    "C13": lambda seen: seen.told(cut.AFTER_MIDNIGHT, cut.REGIONAL, control="fragile-keys", ok=True),
    "C14": lambda seen: seen.told(cut.CUT, ("role-apps",)),
    "C15": lambda seen: seen.told(cut.CUT, cut.REGIONAL, "session-token"),
    "C16": lambda seen: seen.told(cut.CUT, cut.BEYOND, "put-role-policy", ok=True),
    "C18": lambda seen: seen.changed(ITSELF, _no_versions_stand_still),
    "C21": lambda seen: seen.told(cut.CUT, (cut.CONSOLE_GLOBAL,), control="console", ok=True),
    "C22": lambda seen: seen.told(cut.CUT, (cut.CONSOLE_KEYS,), control="console", ok=True),
    "C23": lambda seen: seen.told(cut.CUT, ("global-assumers",), control="local-global-name"),
    "C24": lambda seen: seen.told(cut.CUT, ("role-apps",)),
}
CONTRADICTIONS = {"aws-iam-2021-08-26": IAM, "aws-us-east-1-2025-10-20": EAST, "link-cut": CUT}
NOT_BY_THIS_RUN: Mapping[str, ClaimStatus] = {
    "C29.2": "calibrated",
    "C29.3": "calibrated",
    "C13": "not-decided",
    "C14": "not-decided",
}
ALWAYS = frozenset(
    {
        "tenant-isolation",
        "identity-isolation",
        "given-credentials-are-in-force",
        "replicas-never-go-back",
        "monotonic-reads",
        "nothing-opens-without-proof",
    }
)
CHANGES = frozenset({"changes-arrive", "read-your-writes", "acknowledged-changes-last"})
EXERCISED: Mapping[str, frozenset[str]] = {
    "aws-iam-2021-08-26": ALWAYS | CHANGES | {"static-stability"},
    "aws-us-east-1-2025-10-20": ALWAYS | {"served-where-nothing-is-broken"},
    "link-cut": ALWAYS | CHANGES | {"static-stability"},
}
VIOLATED: Mapping[tuple[str, str], set[str]] = {  # by the run of which control
    ("aws-iam-2021-08-26", ITSELF): {"read-your-writes"},  # descriptions lag, as they did then
    ("aws-iam-2021-08-26", "propagation-well"): {"read-your-writes"},
    ("link-cut", "fragile-keys"): {"static-stability"},  # which is what it is there to show
}
CASES = [(name, claim) for name, found in CONTRADICTIONS.items() for claim in found]


@pytest.mark.parametrize("name", THIN)
def test_every_claim_is_as_published_or_says_why_not(name: str) -> None:
    """On the experiment's own record nothing differs; what cannot be tested or decided says so with a reason."""
    found = replays(name).claims()
    expected = {claim: NOT_BY_THIS_RUN.get(claim, "holds") for claim in CONTRADICTIONS[name]}
    assert {claim: found[claim].status for claim in expected} == expected
    others = {claim: one for claim, one in found.items() if claim not in expected}
    assert {one.status for one in others.values()} <= {"not-testable"}, "a claim without a contradiction is not tested"
    assert all(one.how for one in others.values())


@pytest.mark.parametrize(("name", "claim"), CASES)
def test_a_record_that_contradicts_a_claim_makes_it_differ(name: str, claim: str) -> None:
    """The control of each claim: were this recorded, the table would say that it differs."""
    assert CONTRADICTIONS[name][claim](replays(name)).claims()[claim].status == "differs"


@pytest.mark.parametrize("name", THIN)
def test_claims_are_those_of_the_events_posture(name: str) -> None:
    """Another posture is compared with nothing published; and the experiment names its claims."""
    assert load(find(name)).claims == name
    other = replays(name).changed(ITSELF, lambda history, result: (history, result.model_copy(update={"posture": "other"})))
    assert other.claims() == {}


@pytest.mark.parametrize("name", THIN)
def test_invariants_are_exercised_and_violated_by_design_alone(name: str) -> None:
    """The event's run has occasions to violate those that are about AWS, and none is violated unless a fault is just that."""
    exercised = {found.name for found in replays(name).records[ITSELF][1].invariants if found.exercised}
    assert exercised >= EXERCISED[name], EXERCISED[name] - exercised
    for control, (_, result) in replays(name).records.items():
        violated = {found.name for found in result.invariants if found.violations}
        assert violated == VIOLATED.get((name, control), set()), control
