"""Renewals tried before they are due: which cached tokens of a host's machines would not be renewed if that were asked today.

Theory. A cached token hides that its renewal fails already: the fault is latent, and it bites node by node as tokens end. So a
renewal is tried now, as it would go later: the identity is chosen as the host would choose it, and the token node asks the
store. No cache is read and none is changed. From the failure and from both caches follows when requests begin to fail:

- it is unknown which identity is meant: the host serves what it has until its end;
- the identity is not there any more, or is not the machine's: a host refuses as soon as it asks, so at its refresh point, and
  at the token node's, which answers from its own cache until then;
- the service cannot do its part: whatever has a token serves it until its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from brownout.identity.core.holds import HoldSet, Switch, Value, nothing_to_undo
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import CachedToken, Identity, Json, Machine, TokenRequest
from brownout.identity.core.residents import Residents
from brownout.identity.core.settings import Settings
from brownout.identity.core.surface import Failure
from brownout.identity.core.token_cache import TokenCache

UNNAMED = ""  # in a cache's key, in place of the object id: a request that names no identity
GONE = Failure("not-found", "the machine has this identity no more")

DefaultIdentity = Callable[[Machine], Identity | Failure]  # which identity a machine's request means that names none


def no_default(machine: Machine) -> Identity | Failure:
    """The rule of a host whose vendors have none."""
    return Failure("not-found", f"nothing says which identity {machine.name} means")


@dataclass(frozen=True, slots=True)
class TriedRenewal:
    """What would become of one cached token. Times are emulated; `fails_s` is None for one that would be renewed."""

    machine: str
    resource: str
    identity: str  # the identity that would be asked for, "" where nothing says which
    named: bool  # whether the requests name it
    ends_s: float  # from when the host does not serve the token any more
    failure: Failure | None = None
    fails_s: float | None = None
    changes_s: float | None = None  # from when callers get another identity's token than now, without a word

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "machine": self.machine,
            "resource": self.resource,
            "identity": self.identity,
            "named": self.named,
            "ends_s": self.ends_s,
        }
        if self.failure is not None:
            found |= {"code": self.failure.code, "reason": self.failure.message, "fails_s": self.fails_s}
        if self.changes_s is not None:
            found |= {"changes_s": self.changes_s}
        return found


class TokenHolder(Protocol):
    """What is needed of the host whose cache it is."""

    settings: Settings
    ports: Ports
    holds: HoldSet
    cache: TokenCache
    residents: Residents
    default_identity: DefaultIdentity

    def internal(self, method: str, path: str, body: Json | None = None) -> Request: ...

    async def ask_token_nodes(self, zone: str, request: Request) -> Response | None: ...


class Renewals:
    """Tries the renewals of one host's cached tokens."""

    def __init__(self, host: TokenHolder) -> None:
        self._host = host
        host.holds.add({"renewal-check": Switch(self._check, nothing_to_undo)})

    async def _check(self, fault_id: str, value: Value) -> Value:
        """A look for the record: the hold keeps the counts, the report names every token that would not be renewed."""
        tried = await self.look()
        failing = [renewal.to_json() for renewal in tried if renewal.failure is not None]
        changing = [renewal.to_json() for renewal in tried if renewal.changes_s is not None]
        await self._host.holds.decide(fault_id, tokens=len(tried), failing=len(failing), changing=len(changing))
        return {"tokens": len(tried), "failing": failing, "changing": changing}

    async def look(self) -> tuple[TriedRenewal, ...]:
        """One for each cached token of a machine that there is, those that fail first before others."""
        tried = [
            await self._try(machine, key[0], key[2], token)
            for key, token in tuple(self._host.cache.items())
            if (machine := self._host.residents.find(key[1])) is not None
        ]
        return tuple(sorted(tried, key=lambda one: (one.fails_s is None, one.fails_s or 0.0, one.machine)))

    async def _try(self, machine: Machine, object_id: str, resource: str, token: CachedToken) -> TriedRenewal:
        host, now_s, named = self._host, self._host.ports.now(), object_id != UNNAMED
        ends_s = host.cache.ends_s(token) if host.settings.host_cache else now_s
        meant = _owned(machine, object_id) if named else host.default_identity(machine)
        if isinstance(meant, Failure):
            fails_s = now_s if named else max(now_s, ends_s)  # a name that means nothing is refused before any cache is read
            return TriedRenewal(machine.address, resource, "", named, ends_s, meant, fails_s)
        wanted = TokenRequest(meant.object_id, meant.home_region, machine.resource_id, machine.address, resource)
        answer = await host.ask_token_nodes(machine.zone, host.internal("POST", "/token/dry-run", wanted.to_json()))
        told = {} if answer is None else answer.body or {}
        failure = _failure(told) if answer is not None and answer.ok else Failure("unreachable", "no token node answers")
        asks_s = host.cache.due_s(token) if host.settings.host_cache else now_s
        if failure is None:
            changes_s = None if meant.client_id == token.client_id else max(now_s, asks_s)
            return TriedRenewal(machine.address, resource, meant.name, named, ends_s, changes_s=changes_s)
        hidden = (ends_s, told.get("ends_s", now_s)) if failure.is_outage else (asks_s, told.get("due_s", now_s))
        return TriedRenewal(machine.address, resource, meant.name, named, ends_s, failure, max(now_s, *hidden))


def _owned(machine: Machine, object_id: str) -> Identity | Failure:
    return next((known for known in machine.identities if known.object_id == object_id), GONE)


def _failure(told: Json) -> Failure | None:
    found = told.get("failure")
    return None if found is None else Failure(found["code"], str(found["message"]))
