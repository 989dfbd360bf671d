"""What claims about AWS's events read from recorded histories: errors in windows of the day, versions at looks, trails.

Theory. A window is of the day as it was planned. In real processes a step takes a moment to come or to go, which at a
compressed clock is minutes of that day. What was asked in such a moment tells nothing of either state, so it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from brownout.harness.judge.invariants.facts import ACCOUNT, Facts, StateLook
from brownout.harness.record.history import RequestRecord
from brownout.identity.core import trail
from brownout.identity.core.topology import NodeName
from brownout.suites.incidents.evidence import SETTLE_S, Counted, Evidence

Window = tuple[str, str]  # times of the emulated day, `HH:MM`; those of an edge are a minute or two off it


@dataclass(frozen=True, slots=True)
class AccountVersions:
    """The versions of the account that a region's nodes held, by node, at two looks. Each node is sent its own."""

    first: Mapping[str, int]
    last: Mapping[str, int]

    @property
    def least(self) -> int:
        return min(self.first.values())

    @property
    def greatest(self) -> int:
        return max(self.last.values())

    @property
    def stand(self) -> bool:
        """No node holds another version at the second look."""
        return all(self.last.get(node, version) == version for node, version in self.first.items())

    def __str__(self) -> str:
        if self.stand:
            return " and ".join(f"{version} to {version}" for version in sorted(set(self.first.values())))
        return f"{self.least} to {self.greatest}"


def asked(seen: Evidence, window: Window, cohorts: Iterable[str], operations: Iterable[str] = ()) -> tuple[RequestRecord, ...]:
    """The cohorts' requests in a window, less moments in which a step came or went; raises LookupError when there is none."""
    start_s, end_s = map(seen.time_s, window)
    moments = transitions(seen)
    chosen = seen.history.select(cohorts=cohorts, operations=operations, start_s=start_s, end_s=end_s)
    found = tuple(one for one in chosen if not any(since_s <= one.intended_s < until_s for since_s, until_s in moments))
    if not found:
        raise LookupError(f"no request of {', '.join(cohorts)} from {window[0]} to {window[1]}")
    return found


def transitions(seen: Evidence) -> tuple[tuple[float, float], ...]:
    """When steps came, from the planned time on, and went; steps that end the fault together go one after another.

    Only those that took longer than a minute, which windows keep from the planned times anyway.
    """
    came = [(step.at_s, step.applied_s) for step in seen.result.steps if step.applied_s is not None]
    begun_s = {event.subject: event.at_s for event in seen.history.events if (event.kind, event.what) == ("act", "reverting")}
    went = [
        (begun_s[step.name], step.released_s)
        for step in seen.result.steps
        if step.name in begun_s and step.released_s is not None
    ]
    over_s = max(phase.end_s for phase in seen.result.phases)  # what goes with the stack only is no part of the event
    ends_s = [ended_s for since_s, ended_s in went if since_s < over_s]
    together_s = [event.at_s for event in seen.history.events if (event.kind, event.what) == ("phase", "heal")]
    found = (*came, *went, *((start_s, max(ends_s)) for start_s in together_s if ends_s))
    return tuple((since_s, until_s) for since_s, until_s in found if until_s - since_s > SETTLE_S)


def failures(seen: Evidence, window: Window, cohorts: Iterable[str], *operations: str) -> Counted:
    """How many of the cohorts' requests in a window did not succeed."""
    found = asked(seen, window, tuple(cohorts), operations)
    return Counted(len(found), sum(request.outcome != "happened" for request in found))


def errors(seen: Evidence, window: Window, cohorts: Iterable[str], *operations: str) -> Counter[str]:
    """How many of them got which error."""
    found = asked(seen, window, tuple(cohorts), operations)
    return Counter(request.error for request in found if request.outcome != "happened")


def denied(seen: Evidence, window: Window, cohorts: Iterable[str]) -> Counted:
    """Assumptions of a role just made that IAM denied. Where none was made there is none to assume."""
    found = [one for one in asked(seen, window, tuple(cohorts), ["use-new-role"]) if one.error != "no-new-role"]
    if not found:
        raise LookupError("no role was made")
    return Counted(len(found), sum(one.error == "AccessDenied" for one in found))


def latency_ms(seen: Evidence, window: Window, cohorts: Iterable[str]) -> float:
    """The median latency of requests that succeeded; raises LookupError when none did."""
    found = [one.latency_ms for one in asked(seen, window, tuple(cohorts)) if one.outcome == "happened"]
    if not found:
        raise LookupError("no request succeeded")
    return median(found)


def account_versions(
    seen: Evidence, window: Window, regions: Iterable[str], *, least_looks: int = 2
) -> Mapping[str, AccountVersions]:
    """By region, what the nodes held at the first and the last look in a window, less moments in which a step came or went.

    Raises LookupError without that many looks, or without a node of a region in both.
    """
    start_s, end_s = map(seen.time_s, window)
    moments = transitions(seen)
    looks = [
        look
        for look in Facts.of(seen.history).looks
        if start_s <= look.began_s
        and look.at_s <= end_s
        and not any(since_s < look.at_s and look.began_s < until_s for since_s, until_s in moments)
    ]
    if len(looks) < least_looks:
        raise LookupError(f"fewer than {least_looks} looks from {window[0]} to {window[1]}")
    return {region: AccountVersions(_held(looks[0], region), _held(looks[-1], region)) for region in regions}


def nodes_in(seen: Evidence, window: Window, cohorts: Iterable[str]) -> frozenset[str]:
    """Every node in the trails of the cohorts' requests that succeeded."""
    found = asked(seen, window, tuple(cohorts))
    return frozenset(hop.node for one in found if one.outcome == "happened" for hop in trail.parse(one.trail))


def names_in(seen: Evidence, window: Window, cohorts: Iterable[str]) -> frozenset[str]:
    """The names by which the cohorts' requests found the service."""
    hops = (hop for one in asked(seen, window, tuple(cohorts)) for hop in trail.parse(one.trail))
    return frozenset(hop.key_id.partition("@")[0] for hop in hops if NodeName.parse(hop.node).role == "edge")


def _held(look: StateLook, region: str) -> Mapping[str, int]:
    found = {
        node: versions[ACCOUNT]
        for node, versions in look.held.items()
        if NodeName.parse(node).region == region and ACCOUNT in versions
    }
    if not found:
        raise LookupError(f"no node of {region} was seen")
    return found


def of_text(counted: Counted) -> str:
    """`3 of 17`."""
    return f"{counted.bad} of {counted.total}"
