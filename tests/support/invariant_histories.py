"""Planted histories for invariants: looks at a stack's state and requests with credentials, times in seconds after `T0`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brownout.harness.record.credentials import Credential, told
from brownout.harness.record.history import Event, History, RequestRecord
from support.slo_builders import T0, act, history, request

TENANT, ACCOUNT = "our-tenant", "123456789012"
VAULT, TOKEN, STORE = "sydney.vault", "sydney.token.z1", "sydney.store"
AUDIENCE = "https://vault.azure.net"
MACHINE_ID = "/subscriptions/s/resourceGroups/load/providers/Microsoft.Compute/virtualMachines/vm1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
WITHDRAWN_AT, KNOWN_AT = 0.0, 1000.0  # the look that sees it withdrawn, and the one from which nodes know
END = 4000.0


def promises(**changes: Any) -> Event:
    """What the stack promises, at the start."""
    said = {
        "tenant_id": TENANT,
        "account_id": ACCOUNT,
        "publish_interval_s": 60.0,
        "iam_publish_interval_s": 60.0,
        "clock_rate": 1.0,
        "key_cache_s": 300.0,
    }
    return Event(T0, "look", "promises", "", said | changes)


def look(at_s: float, version: int = 1, *, held: Mapping[str, int] | None = None, **told_more: Any) -> Event:
    """A look at which the directory sends `version` of everything, and each node holds it or what `held` says."""
    versions = {VAULT: version, TOKEN: version} | dict(held or {})
    detail: dict[str, Any] = {
        "began_s": T0 + at_s,
        "sent": {"replica": version, "account:sydney": version},
        "held": {node: {"replica": one, "account": one} for node, one in versions.items()},
        "withdrawn": {},
        "returned": [],
        "refused_keys": {STORE: []},
        "accepted_keys": {VAULT: ["k1"]},
        "published_keys": {TOKEN: {"k1": None}},
    }
    return Event(T0 + at_s, "look", "state", "", detail | told_more)


def withdrawn(subject: str, name: str = "", *, hears: bool = True) -> list[Event]:
    """Looks of a run in which the subject is withdrawn early; its nodes hear of it, or hold an older version to the end."""
    held = {} if hears else {VAULT: 1, TOKEN: 1}
    first = look(WITHDRAWN_AT, 2, held={VAULT: 1, TOKEN: 1}, withdrawn={subject: name or subject})
    return [promises(), first, look(KNOWN_AT, 2, held=held), look(END, 2, held=held)]


def asked(at_s: float, good: bool = True, *credentials: Credential, trail: str = VAULT, **changes: Any) -> RequestRecord:
    """A request with these credentials, served by the nodes of `trail` (names joined by `>`)."""
    hops = ">".join(node if ";" in node else f"{node};1.0;;;" for node in trail.split(">"))
    return request(at_s, good, credentials=told(*credentials), trail=hops, machine=changes.pop("machine", "vm1"), **changes)


def token(use: Any = "given", **changes: Any) -> Credential:
    """A token of vm1's own identity, issued at the run's start for a day."""
    facts = {
        "subject": "oid-1",
        "name": MACHINE_ID,
        "owner": TENANT,
        "audience": AUDIENCE,
        "from_s": T0,
        "to_s": T0 + 86400,
        "key_id": "k1",
    }
    return Credential(use, **{**facts, **changes})


def starved(until_s: float = END) -> list[Event]:
    """A fault from 1000 s on that keeps Sydney's vault and token nodes from being fed."""
    return [
        act(1000, "planned", "cut", reach={"links": ["sydney.directory->sydney.vault"], "replicas": [VAULT, TOKEN]}),
        act(1000, "intended", "cut"),
        act(1000, "applied", "cut"),
        act(until_s, "reverted", "cut"),
    ]


def cut_short(until_s: float = END) -> list[Event]:
    """The same fault in a run that says what its stack promises."""
    return [promises(), *(replace(event, detail={"role": "fault", **event.detail}) for event in starved(until_s))]


def call(at_s: float, management: int, directory: str = "", good: bool = True, **changes: Any) -> RequestRecord:
    """A call of IAM whose nodes answered by these versions of the account; the directory's has a `+` where it made it."""
    trail = f"sydney.management;1.0;;;;{management}" + (f">sydney.directory;;;;;{directory}" if directory else "")
    return asked(at_s, good, trail=trail, machine="", **changes)


def of(events: list[Event], *requests: RequestRecord) -> History:
    """The history, its events in order of time."""
    return history(requests, sorted(events, key=lambda event: event.at_s))
