"""How the directory publishes: the whole snapshot to every node that keeps a replica, at a constant rate.

The rate is the same whether or not anything changed, so a busy day and a quiet one load the data plane alike. Each node has
a round of its own (`Rounds`), so a node that hangs delays no other; one that did not take a snapshot is asked again sooner.

A replica that answers `stranger` knows something that the directory has lost, with its disk or by an older copy of it. Then the
directory learns from the newest of such replicas what had been published: identities, deletions, signing keys. Switches held
on the lost disk are lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from brownout.identity.core.holds import HoldSet, Switch, Value, nothing_to_undo
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.nodes.catalog import Catalog
from brownout.identity.core.planted import PUBLISHER_GIVES_UP
from brownout.identity.core.records import MANAGED, StoreKey
from brownout.identity.core.replication.lines import contains
from brownout.identity.core.topology import MANAGEMENT, TOKEN, VAULT, NodeName, StackSpec

REPLICATED = (TOKEN, MANAGEMENT, VAULT)  # the roles that keep a replica
_NONE: frozenset[str] = frozenset()


def managed_keys(holds: HoldSet) -> dict[str, StoreKey]:
    """Per region the store key that nodes should use: that of its newest switch that is still held."""
    switched = (value for value in holds.held("switch-keys") if "key_id" in value)
    return {
        value["region"]: StoreKey(str(value["region"]), str(value["key_id"]), MANAGED, str(value["secret"]))
        for value in switched
    }


def known_region(stack: StackSpec, region: object) -> str:
    """The region of that name; raises ValueError."""
    if str(region) not in stack.regions:
        raise ValueError(f"no region {str(region)!r}")
    return str(region)


class Rounds:
    """The rounds of one publishing node. `send` publishes to one node and is True unless that has to be tried again."""

    def __init__(self, node: Node, interval_s: float, send: Callable[[str], Awaitable[bool]]) -> None:
        self._node, self._interval_s, self._send = node, interval_s, send

    def readers(self) -> tuple[str, ...]:
        """Every node that keeps a replica."""
        return tuple(name for name in self._node.stack.nodes() if NodeName.parse(name).role in REPLICATED)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """One endless round for each reader."""
        return tuple(self._go_round(node) for node in self.readers())

    async def _go_round(self, node: str) -> None:
        soon_s = min(self._interval_s, max(1.0, self._interval_s / 20))
        missed, gives_up = 0, PUBLISHER_GIVES_UP in self._node.settings.planted
        while not (gives_up and missed >= 2):
            taken = await self._send(node)
            missed = 0 if taken else missed + 1
            await self._node.ports.sleep(self._interval_s if taken else soon_s)

    async def ask(self, node: str, request: Request) -> Response | None:
        """The reader's answer, None when there is none."""
        try:
            return await self._node.ports.call(node, request, timeout_s=self._node.call_timeout_s)
        except CallFailed:
            return None


class Publisher:
    """Publishes a catalog on behalf of its node, the directory."""

    def __init__(self, node: Node, catalog: Catalog) -> None:
        self._node, self._catalog = node, catalog
        self._rounds = Rounds(node, node.settings.publish_interval_s, self._publish_round)
        self._is_learning = False
        self._requests: dict[str, Request] = {}  # by role; the same object until its snapshot changes
        self.switches = {
            "pause-replication": Switch(self._pause, nothing_to_undo),
            "push-keys": Switch(self._push_keys, nothing_to_undo),
        }

    def readers(self) -> tuple[str, ...]:
        """Every node that keeps a replica."""
        return self._rounds.readers()

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return self._rounds.background()

    async def _publish_round(self, node: str) -> bool:
        parsed = NodeName.parse(node)
        return parsed.region in self._paused() or await self._publish_to(node, parsed.role)

    async def publish(self, nodes: Iterable[str]) -> dict[str, bool]:
        """Sends the snapshot to each node whose region is not paused; which of them took it."""
        paused, taken = self._paused(), {}
        for node in nodes:
            parsed = NodeName.parse(node)
            if parsed.region not in paused:
                taken[node] = await self._publish_to(node, parsed.role)
        return taken

    def _paused(self) -> frozenset[str]:
        """The regions that nothing is published to."""
        paused = self._node.holds.held("pause-replication")
        return frozenset(region for value in paused for region in value["regions"]) if paused else _NONE

    async def publish_change(self) -> dict[str, bool]:
        """Publishes at once, under a version of its own, what is no identity's change; which nodes took it."""
        await self._catalog.next_version()
        return await self.publish(self.readers())

    async def _publish_to(self, node: str, role: str) -> bool:
        answer = await self._rounds.ask(node, self._request(role))
        if answer is None or not answer.ok:
            return False  # the next round tries again; a replica that lags is seen by its version
        if (answer.body or {}).get("stranger") and not self._is_learning:
            await self._learn()
        return True

    def _request(self, role: str) -> Request:
        """What is sent to each node of the role now."""
        snapshot = self._catalog.snapshot(role, managed_keys(self._node.holds))
        assert ("signing" in snapshot) == (role == TOKEN), "token nodes alone are sent the signing key"
        known = self._requests.get(role)
        if known is None or known.body is not snapshot:
            known = self._requests[role] = self._node.internal("PUT", "/snapshot", snapshot)
        return known

    async def _learn(self) -> None:
        """Takes over what was published before the disk was lost, from the newest replica that does not know us."""
        self._is_learning = True  # the publications below meet strangers too
        try:
            answers = [await self._rounds.ask(node, self._node.internal("GET", "/snapshot")) for node in self.readers()]
            found = [answer.body for answer in answers if answer is not None and answer.ok and answer.body]
            lines = self._catalog.lines
            lost = [each for each in found if not contains(lines, each["lines"], int(each["version"]))]
            if lost:
                await self._catalog.take_over(sorted(lost, key=lambda each: int(each["version"])))
        finally:
            self._is_learning = False
        await self.publish_change()

    async def _push_keys(self, fault_id: str, value: Value) -> Value:
        known_region(self._node.stack, value["region"])
        return {"published": await self.publish_change()}

    async def _pause(self, fault_id: str, value: Value) -> Value:
        """Publication looks at the holds; here only what cannot be meant is refused."""
        regions = value["regions"]
        if not isinstance(regions, list | tuple):
            raise ValueError(f"regions is a list of names, not {regions!r}")
        return {"regions": [known_region(self._node.stack, region) for region in regions]}
