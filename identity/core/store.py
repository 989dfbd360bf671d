"""The store: a region's identity metadata, durable, behind signed requests.

Records are kept by object id: `{"object_id", "client_id", "resource_id", "kind", "home_region", "tags", "assigned"}` where
`assigned` lists the ARM ids of machines that may use the identity. A deleted record stays as a tombstone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from identity.core.keys import MANAGED, KeyRing, StoreKey, manual_key
from identity.core.messages import Request, Response
from identity.core.node import Node, Switch, Value, error
from identity.core.ports import Ports
from identity.core.topology import STORE, NodeSpec
from identity.core.trail import Hop, with_hop

REFUSAL = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"


class Store(Node):
    """One region's store."""

    role = STORE

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.records: dict[str, dict[str, Any]] = {}
        self.ring = KeyRing()
        first = manual_key(self.region, self.stack.store_keys[self.region])
        self.ring.keys[first.key_id] = first
        self.switches = {
            "roll-key": Switch(self._roll, self._unroll),
            "invalidate-key": Switch(self._invalidate, self._validate),
            "accept-key": Switch(self._accept, self._unaccept),
        }

    async def start(self) -> None:
        self._seed()
        await super().start()
        for fault_id, hold in self.holds.items():
            self._overlay(fault_id, hold.switch, hold.value)

    def _seed(self) -> None:
        for machine_id, identity in assignments(self.stack.machines):
            spec = self.stack.identity(identity)
            if spec.home_region == self.region:
                record = self.records.setdefault(spec.object_id, asdict(spec) | {"tags": {}, "assigned": []})
                record["assigned"].append(machine_id)
        for spec in self.stack.identities:
            if spec.home_region == self.region:
                self.records.setdefault(spec.object_id, asdict(spec) | {"tags": {}, "assigned": []})

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "identity":
            self.records[name] = dict(record)
        elif kind == "key":
            self.ring.keys[name] = StoreKey(**record)

    def state(self) -> Value:
        alive = sum(1 for record in self.records.values() if not record.get("deleted"))
        return {"keys": self.ring.report(self.ports.now()), "identities": alive}

    async def serve(self, request: Request) -> Response:
        why_not = self.ring.accepts(request, self.ports.now())
        if why_not:
            return with_hop(error(403, "AuthenticationFailed", f"{REFUSAL} ({why_not})"), self.hop())
        key_id = request.headers["authorization"].split(" ", 1)[1].split(":", 1)[0]
        hop = Hop(self.name, "", key_id, self.ring.keys[key_id].kind)
        return with_hop(await self._read_or_write(request), hop)

    async def _read_or_write(self, request: Request) -> Response:
        _, collection, object_id, *action = (*request.path.split("/"), "", "")[:4]
        if collection != "identities" or not object_id:
            return error(404, "ResourceNotFound", f"the store has no {request.path}")
        if action and action[0] == "assign" and request.method == "POST":
            return await self._assign(object_id, request.body or {})
        if request.method == "GET":
            return self._found(object_id)
        if request.method == "PUT":
            return await self._put(object_id, request.body or {})
        if request.method == "DELETE":
            return await self._delete(object_id)
        return error(405, "MethodNotAllowed", request.method)

    def _found(self, object_id: str) -> Response:
        record = self.records.get(object_id)
        if record is None or record.get("deleted"):
            return error(404, "ResourceNotFound", f"no identity {object_id}")
        return Response(200, record)

    async def _put(self, object_id: str, body: Value) -> Response:
        existing = self.records.get(object_id)
        created = existing is None or bool(existing.get("deleted"))
        kept = {} if existing is None or created else existing
        await self._save(object_id, {"tags": {}, "assigned": []} | kept | dict(body))
        return Response(201 if created else 200, self.records[object_id])

    async def _delete(self, object_id: str) -> Response:
        record = self.records.get(object_id)
        if record is None or record.get("deleted"):
            return Response(204)
        await self._save(object_id, record | {"deleted": True, "assigned": []})
        return Response(200, self.records[object_id])

    async def _assign(self, object_id: str, body: Value) -> Response:
        found = self._found(object_id)
        if not found.ok:
            return found
        record = self.records[object_id]
        machine = str(body["machine"]).lower()
        others = [name for name in record["assigned"] if name != machine]
        await self._save(object_id, record | {"assigned": [*others, machine] if body.get("present") else others})
        return Response(200, self.records[object_id])

    async def _save(self, object_id: str, record: dict[str, Any]) -> None:
        await self.ports.persist(f"identity:{object_id}", record)
        self.records[object_id] = record

    def _overlay(self, fault_id: str, switch: str, value: Value) -> None:
        """Puts a hold's effect on the ring; everything that it needs is in the hold's durable value."""
        if switch == "roll-key":
            self.ring.revoked[fault_id] = value["revokes"]
        elif switch == "invalidate-key":
            self.ring.revoked[fault_id] = {value["resolved"]: value["at_s"]}
        else:
            self.ring.accepted[fault_id] = value["resolved"]

    async def _keep(self, fault_id: str, **more: Any) -> None:
        """Adds what was decided at engage time to the hold, so that a restart decides the same."""
        hold = self.holds[fault_id]
        self.holds[fault_id] = type(hold)(hold.switch, {**hold.value, **more})
        await self.ports.persist(f"hold:{fault_id}", self.holds[fault_id].to_record())
        self._overlay(fault_id, hold.switch, self.holds[fault_id].value)

    async def _roll(self, fault_id: str, value: Value) -> Value:
        generation = len(self.ring.of_kind(MANAGED)) + 1
        key_id = str(value.get("key_id") or f"managed-{self.region}-{generation}")
        key = StoreKey(self.region, key_id, MANAGED, str(value.get("secret") or self.ports.new_id()))
        ends_s = self.ports.now() + float(value.get("overlap_s", self.settings.key_overlap_s))
        revokes = {old: ends_s for old in self.ring.keys if old != key_id}
        self.ring.keys[key_id] = key
        await self.ports.persist(f"key:{key_id}", key.to_record())
        await self._keep(fault_id, revokes=revokes, made=key_id)
        return {"key_id": key_id, "revokes": revokes}

    async def _unroll(self, fault_id: str, value: Value) -> None:
        self.ring.revoked.pop(fault_id, None)
        made = value.get("made", "")
        self.ring.keys.pop(made, None)
        await self.ports.persist(f"key:{made}", None)

    async def _invalidate(self, fault_id: str, value: Value) -> Value:
        key_id = self.ring.resolve(str(value.get("key_id", "current")))
        await self._keep(fault_id, resolved=key_id, at_s=self.ports.now())
        return {"key_id": key_id}

    async def _validate(self, fault_id: str, value: Value) -> None:
        self.ring.revoked.pop(fault_id, None)

    async def _accept(self, fault_id: str, value: Value) -> Value:
        key_id = self.ring.resolve(str(value["key_id"]))
        await self._keep(fault_id, resolved=key_id)
        return {"key_id": key_id}

    async def _unaccept(self, fault_id: str, value: Value) -> None:
        self.ring.accepted.pop(fault_id, None)


def assignments(machines: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    """Every (machine's ARM id in lower case, identity name) of a stack's specification."""
    return tuple((machine.resource_id.lower(), name) for machine in machines for name in machine.identities)


