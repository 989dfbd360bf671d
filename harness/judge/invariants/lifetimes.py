"""Invariants of lifetimes: what is handed out is in force, and what has ended opens nothing."""

from __future__ import annotations

from brownout.harness.judge.invariants.facts import Facts, credentials
from brownout.harness.judge.invariants.invariant import Invariant, Occasions

ALLOWED_S = 300.0  # five minutes of clocks that differ, as verifiers of the field allow


def _expired(facts: Facts, seen: Occasions) -> None:
    for request in facts.requests:
        if not facts.clocks_agree(request.sent_s, request.done_s):
            continue
        for shown in credentials(request, "shown"):
            if shown.to_s is not None and request.sent_s > shown.to_s + ALLOWED_S:
                over_s = request.sent_s - shown.to_s
                accepted = request.outcome == "happened"
                seen.judge(
                    request, f"{shown.key_id or 'a token'} was accepted {over_s:.0f} s after its end" if accepted else ""
                )


def _in_force(facts: Facts, seen: Occasions) -> None:
    for request in facts.requests:
        for given in credentials(request, "given"):
            if given.to_s is not None:
                over_s = request.sent_s - given.to_s
                seen.judge(request, f"{given.key_id or 'a token'} was given {over_s:.0f} s after its end" if over_s > 0 else "")


INVARIANTS = (
    Invariant(
        "no-expired-credentials",
        "Credentials that ended more than five minutes ago open nothing.",
        "ends of credentials that were shown; counted: a request with such credentials",
        _expired,
    ),
    Invariant(
        "given-credentials-are-in-force",
        "No token or credentials are handed out that have ended already.",
        "ends of what was given; counted: credentials given",
        _in_force,
    ),
)
