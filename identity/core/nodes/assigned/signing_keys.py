"""The switches of the keys that sign tokens: one in use taken out of the published set, and a newer one put in its place.

Withdrawn, as by a job on 15 March 2021, the key goes on signing. Verifiers refuse its tokens from when they hear of the new
set: at once where they go by a replica, at their next refresh where they cache the set. The set is not empty then: the key that
was to come next is in it. Rolled, a new key signs from the next version on and is published beside the earlier one, whose
tokens stay good. Undone, the earlier key signs again, and tokens of the newer one are refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from brownout.identity.core.holds import HoldSet, Refused, Switch, Value
from brownout.identity.core.nodes.catalog import Catalog
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Jwk, SigningKey
from brownout.identity.core.settings import Settings

WITHDRAW, ROLL = "withdraw-signing-key", "roll-signing-key"
Publish = Callable[[], Awaitable[Any]]


class _MadeKey(NamedTuple):
    """A new key with its two halves."""

    key_id: str
    private: str
    public: Jwk


class SigningKeys:
    """The published keys of one directory, and the one that signs, as its holds want them."""

    def __init__(self, holds: HoldSet, catalog: Catalog, ports: Ports, settings: Settings, publish: Publish) -> None:
        self._holds, self._catalog, self._ports = holds, catalog, ports
        self._settings, self._publish = settings, publish
        holds.add({WITHDRAW: Switch(self._withdraw, self._restore), ROLL: Switch(self._roll, self._restore)})

    async def settle(self) -> None:
        """Publishes what the holds want from the next version on; where nothing is held, nothing changes."""
        withdrawn = frozenset(str(value["key_id"]) for value in self._holds.held(WITHDRAW) if "key_id" in value)
        rolls = [value for value in self._holds.held(ROLL) if "secret" in value]
        rolled = SigningKey(str(rolls[-1]["key_id"]), str(rolls[-1]["secret"])) if rolls else None
        held = (*self._holds.held(WITHDRAW), *rolls)
        standby: Mapping[str, Jwk] = {str(value["standby"]["kid"]): value["standby"] for value in held if "standby" in value}
        known = self._catalog
        if (withdrawn, standby, rolled) != (known.withdrawn, known.standby, known.rolled):
            await known.publish_keys(withdrawn=withdrawn, standby=standby, rolled=rolled)

    async def _withdraw(self, fault_id: str, value: Value) -> Value:
        key_id = self._catalog.signing.key_id
        if self._settings.signing_key_gate:
            raise Refused(f"the key {key_id} signs tokens; it can be withdrawn once the last of them has ended")
        made = self._made()
        await self._holds.decide(fault_id, key_id=key_id, standby=made.public)
        await self._change()
        return {"key_id": key_id, "published": [made.key_id]}

    async def _roll(self, fault_id: str, value: Value) -> Value:
        earlier = self._catalog.signing.key_id
        made = self._made()
        await self._holds.decide(fault_id, key_id=made.key_id, secret=made.private, standby=made.public)
        await self._change()
        return {"key_id": made.key_id, "earlier": earlier}

    def _made(self) -> _MadeKey:
        key_id = f"signing-{self._ports.new_id()[:8]}"
        private = self._ports.signer.generate(key_id)
        return _MadeKey(key_id, private, dict(self._ports.signer.public(key_id, private)))

    async def _restore(self, fault_id: str, value: Value) -> None:
        await self._change()

    async def _change(self) -> None:
        await self.settle()
        await self._publish()
