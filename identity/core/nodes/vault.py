"""The vault: a sample protected API that judges tokens with its region's replica alone.

Its verifiers can be made to keep the key set that they have, past every refresh, as one does whose refresh has stopped without
a word: tokens of a newer key are refused there, and those of a key that was withdrawn are let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from brownout.identity.core.holds import Switch, Value
from brownout.identity.core.messages import Request
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json, Jwk
from brownout.identity.core.replication.replica import Replica
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import VAULT, NodeSpec

KEEP = "keep-key-set"


class CachingVerifier(Protocol):
    """A verifier with a key set of its own."""

    @property
    def keys(self) -> Mapping[str, Jwk]:
        """The keys that it trusts now, by key id."""
        ...

    async def renew(self) -> None:
        """Fetches the set anew, whether or not that is due."""
        ...


class Vault(Node):
    """One region's sample API. Its surfaces decide what a caller must show, and what a secret looks like."""

    role = VAULT
    pages = ("snapshot",)

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.ready = False
        self.replica = Replica()
        self.caching_verifiers: list[CachingVerifier] = []
        self.holds.add({KEEP: Switch(self._keep, self._let_go)})

    def state(self) -> Json:
        return {"replica_version": self.replica.version, "key_ids": sorted(self.kept_keys() or self._own_keys())}

    def kept_keys(self) -> Mapping[str, Jwk] | None:
        """The key set that every verifier here is made to keep, None where each goes by its own."""
        held = [value["keys"] for value in self.holds.held(KEEP) if "keys" in value]
        return held[0] if held else None

    def _own_keys(self) -> Mapping[str, Jwk]:
        """What verifiers trust that keep nothing: the keys of the replica, or of each verifier that caches a set of its own."""
        cached = {key_id: key for verifier in self.caching_verifiers for key_id, key in verifier.keys.items()}
        return cached if self.caching_verifiers else self.replica.snapshot.key_set

    async def _keep(self, fault_id: str, value: Value) -> Value:
        """From now on what is trusted now; durable, so that a vault that is restarted keeps it too."""
        keys = self.kept_keys() or self._own_keys() or self.replica.snapshot.key_set
        kept: dict[str, Jwk] = {key_id: dict(key) for key_id, key in keys.items()}
        await self.holds.decide(fault_id, keys=kept)
        return {"key_ids": sorted(kept)}

    async def _let_go(self, fault_id: str, value: Value) -> None:
        """Verifiers fetch their set at once, as when their process starts anew; others may be made to keep one still."""
        if self.kept_keys() is None:
            for verifier in self.caching_verifiers:
                await verifier.renew()

    def take_up(self, kind: str, name: str, record: Json) -> None:
        if kind == "replica":
            self.replica.take(record)
            assert self.replica.version > 0, "only what was published is durable"
            self.ready = True

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == "/snapshot" and request.method in ("GET", "PUT"):
            response = await self.replica.serve(request, self.ports)
            ready = self.replica.version > 0
            assert ready or not self.ready, "a vault that has a replica does not lose it"
            self.ready = ready
            served = Served(response)
            if self.replica.came_in(request):
                self.ready_answers.repeat(request, served)
            return served
        return None

    def secret(self, name: str) -> str:
        """The secret of that name: each has one."""
        return f"value of {name}"
