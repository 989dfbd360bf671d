"""Invariants of isolation: what is given is for whom, for what and of whom it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from brownout.harness.judge.invariants.facts import REMEMBERED, Facts, credentials
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.credentials import Credential
from brownout.harness.record.history import RequestRecord

MACHINES = ("virtualmachines", "virtualmachinescalesets")  # in ARM ids of what has an identity of its own


def _audience(facts: Facts, seen: Occasions) -> None:
    for request, wanted, given in _answered(facts):
        if wanted.audience and given.audience:
            same = wanted.audience.rstrip("/") == given.audience.rstrip("/")
            seen.judge(request, "" if same else f"a token for {given.audience} came instead of one for {wanted.audience}")


def _tenant(facts: Facts, seen: Occasions) -> None:
    """What was given, and what was accepted, belongs to the stack's own tenant or account."""
    if facts.promises is None:
        return
    ours = {facts.promises.tenant_id, facts.promises.account_id}
    for request in facts.requests:
        shown = credentials(request, "shown") if request.outcome == "happened" else ()
        for each in (*credentials(request, "given"), *shown):
            if each.owner:
                what = "were given" if each.use == "given" else "were accepted"
                seen.judge(request, "" if each.owner in ours else f"credentials of {each.owner} {what}, another tenant's")


def _identity(facts: Facts, seen: Occasions) -> None:
    """A role is the one that was named; an identity that lives with a machine is the one of the machine that asked."""
    for request, wanted, given in _answered(facts):
        if wanted.name and given.name:
            same = wanted.name.rpartition("/")[2] == given.name.rpartition("/")[2]
            seen.judge(request, "" if same else f"credentials of {given.name} came instead of {wanted.name}")
    for request in facts.requests:
        for given in credentials(request, "given") if request.machine else ():
            owner = _machine_of(given.name)
            if owner:
                same = request.machine.lower() == owner or request.machine.lower().startswith(f"{owner}_")
                seen.judge(request, "" if same else f"{request.machine} was given a token of {given.name}")


@lru_cache(maxsize=REMEMBERED)
def _machine_of(resource_id: str) -> str:
    """The name of the machine or scale set that the ARM id is of, in lower case; "" for any other id."""
    kind, _, name = resource_id.lower().rpartition("/")
    return name if kind.rpartition("/")[2] in MACHINES else ""


def _answered(facts: Facts) -> Iterator[tuple[RequestRecord, Credential, Credential]]:
    """Each request that was given something, with what it wanted."""
    for request in facts.requests:
        wanted, given = credentials(request, "wanted"), credentials(request, "given")
        if wanted and given:
            yield request, wanted[0], given[0]


INVARIANTS = (
    Invariant(
        "audience-isolation",
        "A token is for the audience that was asked for, and for no other.",
        "audiences asked for and given; counted: a token given",
        _audience,
    ),
    Invariant(
        "tenant-isolation",
        "No client is given, or let in with, credentials of another tenant or account.",
        "tenants and accounts of credentials; counted: credentials given or accepted",
        _tenant,
    ),
    Invariant(
        "identity-isolation",
        "Who asks as a role or a machine gets credentials of that role or machine, and of no other.",
        "roles and machines asked for and given; counted: credentials given",
        _identity,
    ),
)
