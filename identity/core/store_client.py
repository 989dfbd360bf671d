"""How a node reads and writes stores: with the key that its build and its configuration know.

A node has each region's manual key, installed with it, and takes managed keys from the directory's snapshots. A build that
does not manage keys signs with the manual key, unless configuration forces it to the managed one. A build that does prefers
the managed key, falls back to the manual one, and after a refusal tries the other, so a roll-over costs it nothing (claims
C11, C14, C15, C20). `choices` is that whole policy; the rest follows from which key the store accepts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from brownout.identity.core.keys import manual_key, signed
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import StoreKey
from brownout.identity.core.settings import Build
from brownout.identity.core.surface import error
from brownout.identity.core.topology import STORE, StackSpec


class StoreClient:
    """One node's access to every region's store."""

    def __init__(self, stack: StackSpec, ports: Ports, *, timeout_s: float) -> None:
        self._ports = ports
        self._timeout_s = timeout_s
        self._manual = {region: manual_key(region, secret) for region, secret in stack.store_keys.items()}
        self._managed: dict[str, StoreKey] = {}
        self._preferred: dict[str, str] = {}
        self._version = 0
        self._reports: dict[tuple[Build, bool], dict[str, dict[str, str]]] = {}  # until another key would be used

    def learn(self, managed: Mapping[str, StoreKey], version: int) -> None:
        """Takes the managed keys that the directory had at `version`, unless newer ones are known already.

        A key that is no longer published is forgotten.
        """
        if version >= self._version:
            self._version = version
            if managed != self._managed:
                self._managed = dict(managed)
                self._reports.clear()
        assert self._version >= version, "what is known of keys never gets older"

    def choices(self, region: str, build: Build, *, forced: bool) -> tuple[StoreKey, ...]:
        """The keys that a node would try for a region's store, in order."""
        manual, managed = self._manual[region], self._managed.get(region)
        if managed is None:
            return (manual,)
        if build.uses_managed_keys:
            keys = (managed, manual)
            return keys if self._preferred.get(region, managed.kind) == managed.kind else keys[::-1]
        if forced and build.accepts_managed_key:
            return (managed,)
        return (manual,)

    def report(self, build: Build, *, forced: bool) -> dict[str, dict[str, str]]:
        """Per region the id and kind of the key that would be used now (the telemetry of claim C24)."""
        known = self._reports.get((build, forced))  # a run looks at every node's state again and again
        if known is None:
            first = {region: self.choices(region, build, forced=forced)[0] for region in self._manual}
            known = {region: {"key_id": key.key_id, "kind": key.kind} for region, key in first.items()}
            self._reports[build, forced] = known
        assert known.keys() == self._manual.keys(), "a store always has a key that would be used"
        return known

    async def send(
        self, region: str, request: Request, build: Build, *, forced: bool, renew: Callable[[], Awaitable[None]]
    ) -> tuple[Response, StoreKey]:
        """The store's answer and the key that was used last; raises CallFailed.

        A build that manages keys asks the directory for newer ones (`renew`) when none that it has is accepted.
        """
        response, key = await self._try(region, request, self.choices(region, build, forced=forced))
        if response.status == 403 and build.uses_managed_keys:
            await renew()
            response, key = await self._try(region, request, self.choices(region, build, forced=forced))
        return response, key

    async def _try(self, region: str, request: Request, keys: tuple[StoreKey, ...]) -> tuple[Response, StoreKey]:
        assert keys, "there is a manual key for every region"
        response, key = error(500, "NoKey", "no key"), keys[0]
        for key in keys:
            date = f"{self._ports.now():.3f}"
            response = await self._ports.call(f"{region}.{STORE}", signed(request, key, date), timeout_s=self._timeout_s)
            if response.status != 403:
                if self._preferred.get(region) != key.kind:
                    self._preferred[region] = key.kind
                    self._reports.clear()
                break
        return response, key
