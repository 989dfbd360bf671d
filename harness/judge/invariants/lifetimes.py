"""Invariants of lifetimes: what is handed out is in force, what has ended opens nothing, and clocks may be a little wrong.

Theory of small skews. Verifiers of the field allow five minutes between clocks. Several may be wrong at once, the issuer's
ahead and the verifier's behind: what counts is the sum of what the faults in place say. Beyond five minutes nothing is promised
here. A refusal has other reasons than time: a token counts whose key the verifier trusts at the looks before and after, whose
identity is there, and beside which no other step was in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from brownout.harness.judge.invariants.facts import WRONG_CLOCKS, Facts, StepInPlace, bearer_tokens, credentials, nodes_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.credentials import Credential
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import VAULT

ALLOWED_S = 300.0  # five minutes of clocks that differ, as verifiers of the field allow
NO_GOOD_TOKEN = 401


def _expired(facts: Facts, seen: Occasions) -> None:
    for alike in facts.alike:
        for shown in credentials(alike[0], "shown"):
            if shown.to_s is None:
                continue
            for request in alike:
                if request.sent_s > shown.to_s + ALLOWED_S and facts.clocks_agree(request.sent_s, request.done_s):
                    what = f"{shown.key_id or 'a token'} was accepted {request.sent_s - shown.to_s:.0f} s after its end"
                    seen.judge(request, what if request.outcome == "happened" else "")


def _in_force(facts: Facts, seen: Occasions) -> None:
    for alike in facts.alike:
        for given in credentials(alike[0], "given"):
            if given.to_s is None:
                continue
            late = [request for request in alike if request.sent_s > given.to_s]
            for request in late:
                over_s = request.sent_s - given.to_s
                seen.judge(request, f"{given.key_id or 'a token'} was given {over_s:.0f} s after its end")
            seen.judge_alike([request for request in alike if request.sent_s <= given.to_s] if late else alike, "")


def _small_skew(facts: Facts, seen: Occasions) -> None:
    for request in facts.showing if facts.skewed else ():
        steps = [step for step in facts.steps if step.was(request.sent_s, request.done_s)]
        wrong_s = _wrong_s(steps)
        if not 0 < wrong_s <= ALLOWED_S:
            continue
        for shown in bearer_tokens(request, "shown"):
            assert shown.to_s is not None, "a bearer token has an end"
            if request.sent_s > shown.to_s + ALLOWED_S + wrong_s:
                over_s, accepted = request.sent_s - shown.to_s, request.outcome == "happened"
                what = f"a token was accepted {over_s:.0f} s after its end, with clocks that are {wrong_s:g} s wrong"
                seen.judge(request, what if accepted else "")
            elif _is_good(facts, request, shown):
                refused = request.outcome == "refused" and request.status == NO_GOOD_TOKEN
                node = nodes_of(request, VAULT)[0]
                what = f"{node} refused a token in force ({request.error}), with clocks that are {wrong_s:g} s wrong"
                seen.judge(request, what if refused else "")


def _wrong_s(steps: Sequence[StepInPlace]) -> float:
    """By how much clocks may differ, all told; 0 where none is wrong, another step is in place, or the record does not say."""
    if not steps or any(step.life.said("fault") != WRONG_CLOCKS for step in steps):
        return 0.0
    said = [by_s for step in steps if (by_s := step.life.number("by")) is not None]
    return sum(said) if len(said) == len(steps) else 0.0


def _is_good(facts: Facts, request: RequestRecord, shown: Credential) -> bool:
    """In force by the stack's clock, of a subject that is there, and signed with a key that the verifier trusts."""
    stretch, nodes = facts.calm(request), nodes_of(request, VAULT)
    if stretch is None or not nodes or shown.to_s is None or not stretch[1].is_told:
        return False
    if not ((shown.from_s or 0.0) - ALLOWED_S <= request.sent_s and request.done_s <= shown.to_s):
        return False
    trusted = all(shown.key_id in look.accepted_keys.get(node, frozenset()) for look in stretch for node in nodes)
    return trusted and not any(subject.endswith(f":{shown.subject}") for subject in stretch[1].withdrawn)


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
    Invariant(
        "small-skew-is-harmless",
        "Where clocks are wrong by five minutes at most, no token in force is refused, and none is let in long after its end.",
        "how wrong each fault makes a clock, tokens that were shown, looks at key sets; counted: a token shown meanwhile",
        _small_skew,
    ),
)
