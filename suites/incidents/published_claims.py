"""A claim of a source as a row: its statement, what was published, and a check that reads the recorded history.

Statuses: `holds` and `differs` are measured; `not-decided` means that a run of this size cannot tell; `calibrated` means that a
parameter was chosen to reach the published figure; `not-testable` gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from brownout.harness.record.result import ClaimResult, ClaimStatus
from brownout.suites.incidents.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check measured, and what that says of the claim."""

    measured: str
    status: ClaimStatus
    how: str = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class PublishedClaim:
    """One claim of a source with the check that tests it."""

    id: str
    text: str
    published: str
    check: Callable[[Evidence], Measurement]


def judged(claims: Iterable[PublishedClaim], evidence: Evidence) -> tuple[ClaimResult, ...]:
    """Each claim beside what was measured; `not-testable` where this run has no record of it."""
    return tuple(_judge(claim, evidence) for claim in claims)


def _judge(claim: PublishedClaim, evidence: Evidence) -> ClaimResult:
    try:
        found = claim.check(evidence)
    except LookupError as missing:
        found = Measurement("nothing recorded", "not-testable", f"this run has no record of it: {missing}")
    return ClaimResult(
        id=claim.id,
        text=claim.text,
        published=claim.published,
        measured=found.measured,
        interval=found.interval,
        status=found.status,
        how=found.how,
    )


def status_of(holds: bool) -> ClaimStatus:
    """`holds` or `differs`."""
    return "holds" if holds else "differs"


def not_testable(why: str) -> Callable[[Evidence], Measurement]:
    """The check of a claim that no run can test."""
    return lambda _: Measurement("-", "not-testable", why)
