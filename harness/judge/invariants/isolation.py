"""Invariants of isolation: what is given is for whom, for what and of whom it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from brownout.harness.judge.invariants.facts import REMEMBERED, Facts, credentials
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.credentials import Credential
from brownout.harness.record.history import RequestRecord

MACHINES = ("virtualmachines", "virtualmachinescalesets")  # in ARM ids of what has an identity of its own


def _audience(facts: Facts, seen: Occasions) -> None:
    for alike, wanted, given in _answered(facts):
        if wanted.audience and given.audience:
            same = wanted.audience.rstrip("/") == given.audience.rstrip("/")
            seen.judge_alike(alike, "" if same else f"a token for {given.audience} came instead of one for {wanted.audience}")


def _tenant(facts: Facts, seen: Occasions) -> None:
    """What was given, and what was accepted, belongs to the stack's own tenant or account."""
    if facts.promises is None:
        return
    ours = {facts.promises.tenant_id, facts.promises.account_id}
    for alike in facts.alike:
        shown = credentials(alike[0], "shown") if alike[0].outcome == "happened" else ()
        for each in (*credentials(alike[0], "given"), *shown):
            if each.owner:
                what = "were given" if each.use == "given" else "were accepted"
                flaw = "" if each.owner in ours else f"credentials of {each.owner} {what}, another tenant's"
                seen.judge_alike(alike, flaw)


def _identity(facts: Facts, seen: Occasions) -> None:
    """A role is the one that was named; an identity that lives with a machine is the one of the machine that asked."""
    for alike, wanted, given in _answered(facts):
        if wanted.name and given.name:
            same = wanted.name.rpartition("/")[2] == given.name.rpartition("/")[2]
            seen.judge_alike(alike, "" if same else f"credentials of {given.name} came instead of {wanted.name}")
    for alike in facts.alike:
        machine = alike[0].machine
        for given in credentials(alike[0], "given") if machine else ():
            owner = _machine_of(given.name)
            if owner:
                same = machine.lower() == owner or machine.lower().startswith(f"{owner}_")
                seen.judge_alike(alike, "" if same else f"{machine} was given a token of {given.name}")


@lru_cache(maxsize=REMEMBERED)
def _machine_of(resource_id: str) -> str:
    """The name of the machine or scale set that the ARM id is of, in lower case; "" for any other id."""
    kind, _, name = resource_id.lower().rpartition("/")
    return name if kind.rpartition("/")[2] in MACHINES else ""


def _answered(facts: Facts) -> Iterator[tuple[Sequence[RequestRecord], Credential, Credential]]:
    """The requests that were given something, with what they wanted."""
    for alike in facts.alike:
        wanted, given = credentials(alike[0], "wanted"), credentials(alike[0], "given")
        if wanted and given:
            yield alike, wanted[0], given[0]


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
