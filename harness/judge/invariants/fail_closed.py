"""Failing closed: whatever breaks, no caller is let in without a credential, or with a token that no issuer signed.

Theory. A verifier that lost its keys, its replica or its clock may refuse; it must never let in by default. Requests that the
load sends without telling what they show are no evidence, so a cohort is judged only if some of its requests tell.
"""

from __future__ import annotations

from brownout.harness.judge.invariants.facts import Facts, credentials, nodes_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import VAULT


def _closed(facts: Facts, seen: Occasions) -> None:
    telling = {(one[0].cohort, one[0].operation) for one in facts.alike if credentials(one[0], "shown")}
    for alike in facts.alike:
        nodes = nodes_of(alike[0], VAULT) if (alike[0].cohort, alike[0].operation) in telling else ()
        if nodes:
            lacks = _lacks(alike[0])
            meanwhile = [one for one in alike if any(step.was(one.sent_s, one.done_s) for step in facts.steps)]
            seen.judge_alike(meanwhile, f"{', '.join(nodes)} {lacks}" if lacks else "")


def _lacks(request: RequestRecord) -> str:
    """What is wrong with letting the request in; "" where it was not let in, or showed what it should."""
    if request.outcome != "happened":
        return ""
    shown = credentials(request, "shown")
    if not shown:
        return "let in a request that showed nothing"
    unsigned = any(each.audience and not each.key_id for each in shown)
    return "took a token that names no key" if unsigned else ""


INVARIANTS = (
    Invariant(
        "nothing-opens-without-proof",
        "While something is broken, no verifier lets in who shows nothing or a token without a signature.",
        "what was shown to verifiers; counted: a request to one while a step was in place",
        _closed,
    ),
)
