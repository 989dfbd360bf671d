"""The key manager: it makes a region's store key a managed one, and rolls it over at once.

The store makes the new key when it takes the hold `roll-key`, and the snapshot carries it to the nodes. With the readiness
gate on, every node that reads the store is first asked whether it could follow (claim C25).
"""

from __future__ import annotations

from brownout.identity.core.holds import Refused, Switch, Unreachable, Value
from brownout.identity.core.messages import CallFailed, Request
from brownout.identity.core.node import Node
from brownout.identity.core.nodes.publisher import Publisher, known_region
from brownout.identity.core.records import Json
from brownout.identity.core.settings import BUILDS
from brownout.identity.core.topology import STORE, VAULT, NodeName

READINESS_TIMEOUT_S = 1.0


class KeyManager:
    """Switches store keys on behalf of its node, the directory."""

    def __init__(self, node: Node, publisher: Publisher) -> None:
        self._node, self._publisher = node, publisher
        self.switches = {"switch-keys": Switch(self._switch, self._switch_back)}

    async def _switch(self, fault_id: str, value: Value) -> Value:
        node, region = self._node, known_region(self._node.stack, value["region"])
        if node.holds.held("freeze"):
            raise Refused("all changes are frozen")
        if node.settings.readiness_gate:
            await self._require_readiness(region)
        secret = node.ports.new_id()
        roll = {"secret": secret, "overlap_s": value.get("overlap_s", node.settings.key_overlap_s)}
        hold = {"switch": "roll-key", "value": roll}
        answer = await self._tell_store(region, node.internal("PUT", f"/admin/holds/{fault_id}", hold))
        key_id = str(answer["hold"]["value"]["made"])
        await node.holds.decide(fault_id, key_id=key_id, secret=secret)
        return {"key_id": key_id, "published": await self._publisher.publish_change()}

    async def _switch_back(self, fault_id: str, value: Value) -> None:
        region = known_region(self._node.stack, value["region"])
        await self._tell_store(region, self._node.internal("DELETE", f"/admin/holds/{fault_id}"))
        await self._publisher.publish_change()

    async def _tell_store(self, region: str, request: Request) -> Json:
        """The store's answer; raises Unreachable when it may do it later, ValueError when it never will."""
        try:
            answer = await self._node.ports.call(f"{region}.{STORE}", request, timeout_s=self._node.call_timeout_s)
        except CallFailed as failed:
            raise Unreachable(f"the store of {region} did not answer: {failed.failure}") from failed
        if answer.status >= 500:
            raise Unreachable(f"the store of {region} answered {answer.status}: {answer.body}")
        if not answer.ok:
            raise ValueError(f"the store of {region} answered {answer.status}: {answer.body}")
        return answer.body or {}

    async def _require_readiness(self, region: str) -> None:
        """Raises Refused unless every node that reads the region's store could use a managed key."""
        unready: dict[str, str] = {}
        for node in self._publisher.readers():
            parsed = NodeName.parse(node)
            if parsed.role != VAULT:  # vaults read no store
                why = await self._unready(node)
                if why:
                    unready.setdefault(parsed.region, why)
        if unready:
            listed = "; ".join(f"{name}: {why}" for name, why in sorted(unready.items()))
            raise Refused(f"the store key of {region} must not roll over yet, regions are not ready ({listed})")

    async def _unready(self, node: str) -> str:
        request = self._node.internal("GET", "/admin/state")
        try:
            answer = await self._node.ports.call(node, request, timeout_s=READINESS_TIMEOUT_S)
        except CallFailed as failed:
            return f"{node} did not answer ({failed.failure})"
        state: Json = answer.body or {}
        build = BUILDS[str(state["build"])]
        forced = bool(state["config"].get("force_managed_key")) and build.accepts_managed_key
        return "" if build.uses_managed_keys or forced else f"{node} runs build {state['build']}, manual key"
