"""The store: a region's identity metadata, durable, behind signed requests.

A deleted record stays as a tombstone. So a record that is missing altogether was lost with the disk, and the directory may
give it back (`PUT /admin/records/ID`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from brownout.identity.core.holds import PASSIVE, Refused, Switch, Value
from brownout.identity.core.keys import ALWAYS, KeyRing, KeyUses, key_id_of, manual_key
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.nodes.reader import object_id_of
from brownout.identity.core.planted import STORE_KEY_GRACE
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import MANAGED, Json, StoreKey, StoreRecord
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import STORE, MachineSpec, NodeSpec
from brownout.identity.core.trail import Hop

READ_ONLY = "read-only"
GRACE_S = 60.0  # of a planted bug
KEY_SWITCHES = ("roll-key", "invalidate-key", "accept-key")
REFUSAL = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"


class Store(Node):
    """One region's store."""

    role = STORE

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.records: dict[str, StoreRecord] = {}
        self.generations = 0
        self.ring = self._ring()
        self.uses = KeyUses(since_s=ports.now())
        self.holds.add(
            {
                "roll-key": Switch(self._roll, self._rebuild),
                "invalidate-key": Switch(self._invalidate, self._rebuild),
                "accept-key": Switch(self._accept, self._rebuild),
                READ_ONLY: PASSIVE,
            }
        )

    async def start(self) -> None:
        self._seed()
        await super().start()
        self.ring = self._ring()  # what is decided below is decided against the keys that there were
        for fault_id, hold in tuple(self.holds.items()):
            if hold.switch in KEY_SWITCHES and not hold.decided:  # killed between taking the hold and deciding what it means
                try:
                    await self.holds.switches[hold.switch].engage(fault_id, hold.value)
                except Refused:  # by the check that the kill kept it from
                    await self.holds.release(fault_id)
        assert len(self.ring.of_kind(MANAGED)) <= self.generations, "every managed key has a generation of its own"

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
                assert made.key_id not in ring.keys, "a key id names one secret for ever"
                ring.keys[made.key_id] = made
                ring.revoked[fault_id] = decided["revokes"]
            elif hold.switch == "invalidate-key":
                ring.revoked[fault_id] = {decided["resolved"]: decided["at_s"]}
            elif hold.switch == "accept-key":
                ring.accepted[fault_id] = decided["resolved"]
        assert first.key_id in ring.keys, "a ring has its manual key, valid or not"
        return ring

    async def _rebuild(self, fault_id: str, value: Value) -> None:
        self.ring = self._ring()

    def _seed(self) -> None:
        """The identities of the specification that are at home here, with their assignments."""
        assigned: dict[str, list[str]] = {identity.name: [] for identity in self.stack.identities}
        for machine_id, name in assignments(self.stack.machines):
            assigned[name].append(machine_id)
        for identity in self.stack.identities:
            if identity.home_region == self.region:
                details = self.stack.details.get(identity.name, {})
                self.records[identity.object_id] = StoreRecord(
                    identity, assigned=tuple(assigned[identity.name]), details=details
                )

    def take_up(self, kind: str, name: str, record: Json) -> None:
        if kind == "identity":
            self.records[name] = StoreRecord.from_json(record)
            assert self.records[name].identity.object_id == name, "a record stands under its identity's own id"
        elif kind == "generations":
            self.generations = int(record["made"])
            assert self.generations > 0, "generations are counted from one"

    def state(self) -> Json:
        alive = sum(1 for record in self.records.values() if not record.deleted)
        return {**self.holdings(), "identities": alive, "takes_writes": not self.holds.held(READ_ONLY)}

    def holdings(self) -> Json:
        return {"keys": self.ring.report(self.ports.now())}

    async def answer(self, request: Request) -> Served:
        """The store's own clients sign their requests with its keys."""
        now_s = self.ports.now()
        grace_s = GRACE_S if STORE_KEY_GRACE in self.settings.planted else 0.0
        why_not = self.ring.accepts(request, now_s - grace_s)
        if why_not:
            return Served(error(403, "AuthenticationFailed", f"{REFUSAL} ({why_not})"), self.hop())
        key_id = key_id_of(request)
        assert self.ring.valid_until_s(key_id) > now_s - grace_s, "what is served was signed with a key that is valid now"
        self.uses.last_s[key_id] = now_s
        return Served(await self._read_or_write(request), Hop(self.name, "", key_id, self.ring.keys[key_id].kind))

    async def _read_or_write(self, request: Request) -> Response:
        _, collection, object_id, *action = (*request.path.split("/"), "", "")[:4]
        if collection != "identities" or not object_id:
            return error(404, "ResourceNotFound", f"the store has no {request.path}")
        assert object_id == object_id_of(request), request.path
        if self.capacity.on:
            await self.capacity.work("read" if request.method == "GET" else "write")
        if request.method != "GET" and self.holds.held(READ_ONLY):
            return _read_only()
        if action and action[0] == "assign" and request.method == "POST":
            return await self._assign(object_id, request.body or {})
        if request.method == "GET":
            found = self._alive(object_id)
            return Response(200, found.to_json()) if found else _absent(object_id)
        if request.method == "PUT":
            return await self._put(object_id, request.body or {})
        if request.method == "DELETE":
            return await self._delete(object_id)
        return error(405, "MethodNotAllowed", request.method)

    def _alive(self, object_id: str) -> StoreRecord | None:
        record = self.records.get(object_id)
        return None if record is None or record.deleted else record

    async def _put(self, object_id: str, body: Json) -> Response:
        """Creates or updates; tags and assignments that the request does not name stay as they are."""
        known = self._alive(object_id)
        before = known.to_json() if known else {}
        await self._save(object_id, StoreRecord.from_json({**before, **body}))
        return Response(200 if known else 201, self.records[object_id].to_json())

    async def _delete(self, object_id: str) -> Response:
        record = self._alive(object_id)
        if record is None:
            return Response(204)
        await self._save(object_id, replace(record, deleted=True, assigned=()))
        return Response(200, self.records[object_id].to_json())

    async def _assign(self, object_id: str, body: Json) -> Response:
        record = self._alive(object_id)
        if record is None:
            return _absent(object_id)
        machine = str(body["machine"]).lower()
        others = tuple(name for name in record.assigned if name != machine)
        await self._save(object_id, replace(record, assigned=(*others, machine) if body.get("present") else others))
        return Response(200, self.records[object_id].to_json())

    async def control(self, request: Request, path: str) -> Response:
        object_id = path.removeprefix("/admin/records/")
        if request.method != "PUT" or object_id == path:
            return await super().control(request, path)
        if object_id in self.records:
            return error(409, "Conflict", f"{object_id} is known here, or was deleted here")
        await self._save(object_id, StoreRecord.from_json(request.body or {}))
        return Response(201, self.records[object_id].to_json())

    async def _save(self, object_id: str, record: StoreRecord) -> None:
        assert record.identity.object_id == object_id, "a record stands under its identity's own id"
        await self.ports.persist(f"identity:{object_id}", record.to_json())
        self.records[object_id] = record  # after the disk: what is answered would survive a kill

    async def _decide(self, fault_id: str, **decided: object) -> None:
        await self.holds.decide(fault_id, **decided)
        self.ring = self._ring()

    async def _roll(self, fault_id: str, value: Value) -> Value:
        overlap_s = float(value.get("overlap_s", self.settings.key_overlap_s))
        if not 0 <= overlap_s < ALWAYS:
            raise ValueError(f"overlap_s is {overlap_s}")
        self.generations += 1  # never used again, so that a key id names one secret for ever
        key_id = f"managed-{self.region}-{self.generations}"
        assert key_id not in self.ring.keys, key_id
        await self.ports.persist("generations:", {"made": self.generations})
        revokes = dict.fromkeys(self.ring.keys, self.ports.now() + overlap_s)
        secret = str(value.get("secret") or self.ports.new_id())
        await self._decide(fault_id, revokes=revokes, made=key_id, secret=secret)
        return {"key_id": key_id, "revokes": revokes}

    async def _invalidate(self, fault_id: str, value: Value) -> Value:
        """The key ends now or after a while. With `key_use_gate_s` a key that is in use is not ended: raises Refused."""
        key_id, after_s = self.ring.resolve(str(value.get("key_id", "current"))), float(value.get("after_s", 0.0))
        if not 0 <= after_s < ALWAYS:
            raise ValueError(f"after_s is {after_s}")
        idle_s, gate_s = self.uses.idle_s(key_id, self.ports.now()), self.settings.key_use_gate_s
        if gate_s and idle_s < gate_s:  # a clock that was ahead makes what was used just now look used later
            raise Refused(f"{key_id} may be in use: it signed nothing for {idle_s:.0f} s, and {gate_s:g} s are asked for")
        await self._decide(fault_id, resolved=key_id, at_s=self.ports.now() + after_s)
        return {"key_id": key_id}

    async def _accept(self, fault_id: str, value: Value) -> Value:
        key_id = self.ring.resolve(str(value["key_id"]))
        await self._decide(fault_id, resolved=key_id)
        return {"key_id": key_id}


def _read_only() -> Response:
    """Not 403, which to a reader means a key that is not good, and makes it try another."""
    return error(503, "ReadOnly", "the store takes no writes")


def _absent(object_id: str) -> Response:
    return error(404, "ResourceNotFound", f"no identity {object_id}")


def assignments(machines: Iterable[MachineSpec]) -> tuple[tuple[str, str], ...]:
    """Every (machine's resource id in lower case, identity name) of a stack's specification."""
    return tuple((machine.resource_id.lower(), name) for machine in machines for name in machine.identities)
