"""The store: a region's identity metadata, durable, behind signed requests.

Records are kept by object id: `{"object_id", "client_id", "resource_id", "kind", "home_region", "tags", "assigned"}` where
`assigned` lists the ARM ids of machines that may use the identity. A deleted record stays as a tombstone, so a record that
is not there at all was lost with the disk; the directory then gives it again (`PUT /admin/records/ID`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from brownout.identity.core.keys import MANAGED, KeyRing, StoreKey, manual_key
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node, Switch, Value, error
from brownout.identity.core.ports import Ports
from brownout.identity.core.topology import STORE, NodeSpec
from brownout.identity.core.trail import Hop, with_hop

REFUSAL = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"


class Store(Node):
    """One region's store."""

    role = STORE

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.records: dict[str, dict[str, Any]] = {}
        self.generations = 0
        self.ring = self._ring()
        self.switches = {
            "roll-key": Switch(self._roll, self._rebuild),
            "invalidate-key": Switch(self._invalidate, self._rebuild),
            "accept-key": Switch(self._accept, self._rebuild),
        }

    async def start(self) -> None:
        self._seed()
        await super().start()
        for fault_id, hold in self.holds.items():
            if not hold.decided:  # killed between taking the hold and deciding what it means
                await self.switches[hold.switch].engage(fault_id, hold.value)
        self.ring = self._ring()

    def _ring(self) -> KeyRing:
        """The key ring, a function of the holds alone: the manual key, then what each hold does, in order."""
        first = manual_key(self.region, self.stack.store_keys[self.region])
        ring = KeyRing({first.key_id: first})
        for fault_id, hold in self.holds.items():
            decided = hold.decided
            if not decided:
                continue
            if hold.switch == "roll-key":
                made = StoreKey(self.region, decided["made"], MANAGED, decided["secret"])
                ring.keys[made.key_id] = made
                ring.revoked[fault_id] = decided["revokes"]
            elif hold.switch == "invalidate-key":
                ring.revoked[fault_id] = {decided["resolved"]: decided["at_s"]}
            else:
                ring.accepted[fault_id] = decided["resolved"]
        return ring

    async def _rebuild(self, fault_id: str, value: Value) -> None:
        self.ring = self._ring()

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
        elif kind == "generations":
            self.generations = int(record["made"])

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

    async def control(self, request: Request) -> Response:
        object_id = request.path.removeprefix("/admin/records/")
        if request.method != "PUT" or object_id == request.path:
            return await super().control(request)
        if object_id in self.records:
            return error(409, "Conflict", f"{object_id} is known here, or was deleted here")
        await self._save(object_id, {"tags": {}, "assigned": []} | dict(request.body or {}))
        return Response(201, self.records[object_id])

    async def _save(self, object_id: str, record: dict[str, Any]) -> None:
        await self.ports.persist(f"identity:{object_id}", record)
        self.records[object_id] = record

    async def decide(self, fault_id: str, **decided: Any) -> None:
        await super().decide(fault_id, **decided)
        self.ring = self._ring()

    async def _roll(self, fault_id: str, value: Value) -> Value:
        overlap_s = float(value.get("overlap_s", self.settings.key_overlap_s))
        if not 0 <= overlap_s < float("inf"):
            raise ValueError(f"overlap_s is {overlap_s}")
        self.generations += 1  # never used again, so that a key id names one secret for ever
        key_id = f"managed-{self.region}-{self.generations}"
        await self.ports.persist("generations:", {"made": self.generations})
        revokes = dict.fromkeys(self.ring.keys, self.ports.now() + overlap_s)
        secret = str(value.get("secret") or self.ports.new_id())
        await self.decide(fault_id, revokes=revokes, made=key_id, secret=secret)
        return {"key_id": key_id, "revokes": revokes}

    async def _invalidate(self, fault_id: str, value: Value) -> Value:
        key_id = self.ring.resolve(str(value.get("key_id", "current")))
        await self.decide(fault_id, resolved=key_id, at_s=self.ports.now())
        return {"key_id": key_id}

    async def _accept(self, fault_id: str, value: Value) -> Value:
        key_id = self.ring.resolve(str(value["key_id"]))
        await self.decide(fault_id, resolved=key_id)
        return {"key_id": key_id}


def assignments(machines: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    """Every (machine's ARM id in lower case, identity name) of a stack's specification."""
    return tuple((machine.resource_id.lower(), name) for machine in machines for name in machine.identities)
