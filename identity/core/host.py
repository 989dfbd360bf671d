"""The host: emulated machines, each with its own IMDS under its own path, and the host's token cache.

`/{machine}/metadata/identity/oauth2/token` answers as IMDS does
(docs/reference/azure-wire.md#imds-token-answer): every value a string, the same
token with falling `expires_in` until it is refreshed. A machine of a scale set is any `name_<digits>`; it exists from its
first request on, cold. Which token node a machine uses is the host's routing: its own zone, the next zones when that one
does not answer, or wherever an operator has failed the zone or the region over to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from brownout.identity.core import imds
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node, Switch, Value, error, nothing_to_undo
from brownout.identity.core.ports import Ports
from brownout.identity.core.token_cache import CachedToken, TokenCache
from brownout.identity.core.topology import HOST, NodeSpec
from brownout.identity.core.trail import Hop, of, with_hop

SCALE_SET_DIGITS = 9
UNREACHABLE = Response(503, {"error": "unknown", "error_description": "the managed identity service does not answer"})


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as its host knows it; `arm_id` is the ARM id that identities are assigned to."""

    name: str
    zone: str
    arm_id: str
    identities: tuple[Mapping[str, Any], ...]


class Host(Node):
    """One region's host of many machines."""

    role = HOST

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        settings = self.settings
        self.cache = TokenCache(
            refresh_fraction=settings.host_refresh_fraction,
            margin_s=settings.expiry_margin_s,
            backoff_s=settings.host_refresh_backoff_s,
        )
        self.machines: dict[str, Machine] = {}
        self.scale_sets: dict[str, Machine] = {}
        self.imds_requests: dict[str, int] = {}
        self._answers_left: dict[str, int] = {}
        self.switches = {
            "route-zone": Switch(self._route_zone, nothing_to_undo),
            "route-region": Switch(self._route_region, nothing_to_undo),
            "answer": Switch(self._start_answering, self._stop_answering),
        }
        for machine in self.stack.machines:
            if machine.region == self.region:
                identities = tuple(asdict(self.stack.identity(name)) for name in machine.identities)
                made = Machine(machine.name, machine.zone, machine.resource_id, identities)
                (self.scale_sets if machine.scale_set else self.machines)[machine.name] = made

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "machine" and record.get("deleted"):
            self.machines.pop(name, None)
        elif kind == "machine":
            self.machines[name] = Machine(**{**record, "identities": tuple(record["identities"])})

    def state(self) -> Value:
        routes = {zone: self._route(zone) for zone in self.stack.zones}
        return {"routes": routes, "cached": len(self.cache), "imds_requests": dict(self.imds_requests)}

    def machine(self, name: str) -> Machine | None:
        """The machine of that name, or the instance `set_<digits>` of a scale set; None if there is none."""
        if name in self.machines:
            return self.machines[name]
        base, _, number = name.rpartition("_")
        found = self.scale_sets.get(base)
        if found is None or not (number.isascii() and number.isdigit()) or len(number) > SCALE_SET_DIGITS:
            return None
        zones = self.stack.zones
        return Machine(name, zones[int(number) % len(zones)], found.arm_id, found.identities)

    async def serve(self, request: Request) -> Response:
        if request.path.startswith("/machines/"):
            return await self._change_machine(request, request.path.removeprefix("/machines/"))
        name, _, path = request.path.removeprefix("/").partition("/")
        machine = self.machine(name)
        if machine is None:
            return with_hop(error(404, "MachineNotFound", f"{self.region} has no machine {name!r}"), self.hop())
        forced = self._forced_answer(name)
        if forced is not None:
            return with_hop(forced, self.hop())
        if path != imds.TOKEN_PATH:
            return with_hop(imds.metadata(machine, path, request, self.stack, self.region), self.hop())
        self.imds_requests[name] = self.imds_requests.get(name, 0) + 1
        return await self._imds_token(machine, request)

    async def _imds_token(self, machine: Machine, request: Request) -> Response:
        asked = imds.parse(request, machine.identities, self.settings)
        if isinstance(asked, Response):
            return with_hop(asked, self.hop())
        response = await self.token(machine, asked.identity, asked.resource)
        inner, cache = of(response), response.headers.get("x-cache", "")
        answer = imds.answer(response, asked, self.ports.now())
        return with_hop(answer, Hop(self.name, cache=cache), inner)

    async def token(
        self, machine: Machine, identity: Mapping[str, Any], resource: str, *, age_s: float | None = None
    ) -> Response:
        """A token in the token node's shape, from the cache or from a token node; header `x-cache` says which.

        `age_s` asks for one that was issued that long ago (it fills caches as a long-running stack's would be).
        """
        key, now_s = (identity["object_id"], machine.name, resource), self.ports.now()
        freshness = self.cache.freshness(key, now_s) if self.settings.host_cache else "none"
        cached = self.cache.get(key)
        if freshness == "fresh" and cached is not None and age_s is None:
            return Response(200, cached.to_body(), {"x-cache": "hit"})
        response = await self._ask(machine, identity, resource, age_s)
        if response.ok and response.body is not None:
            self.cache.put(key, CachedToken(**response.body))
            if self.cache.freshness(key, now_s) == "due":  # the token node's own cache gave us the one that we had
                self.cache.asked(key, now_s)
            return _marked(response, "miss")
        if freshness == "due" and cached is not None and response.status >= 500:
            self.cache.asked(key, now_s)
            return _marked(Response(200, cached.to_body(), response.headers), "stale")
        return _marked(response, "miss")

    async def _ask(self, machine: Machine, identity: Mapping[str, Any], resource: str, age_s: float | None) -> Response:
        body = {
            "object_id": identity["object_id"],
            "home_region": identity["home_region"],
            "host_machine": machine.name,
            "machine": machine.arm_id,
            "resource": resource,
        }
        if age_s is not None:
            body["issued_s"] = self.ports.now() - age_s
        request = self.internal("POST", "/token", body)
        for node in self._route(machine.zone):
            try:
                return await self.ports.call(node, request, timeout_s=1.5 * self.settings.call_timeout_ms / 1000)
            except CallFailed as failed:
                if failed.failure == "timeout":
                    break  # trying another zone would outlast the client
        return UNREACHABLE

    def _route(self, zone: str) -> list[str]:
        """The token nodes that a zone's machines use, in order; the newest route hold wins."""
        region, zones, first = self.region, list(self.stack.zones), zone
        for hold in self.holds.values():
            if hold.switch == "route-region":
                region = str(hold.value["to"])
            elif hold.switch == "route-zone" and hold.value["zone"] == zone:
                first = str(hold.value["to"])
                zones = [name for name in zones if name != zone]
        start = zones.index(first) if first in zones else 0
        return [f"{region}.token.{name}" for name in (*zones[start:], *zones[:start])]

    async def _route_zone(self, fault_id: str, value: Value) -> Value:
        for zone in (value["zone"], value["to"]):
            if zone not in self.stack.zones:
                raise ValueError(f"no zone {zone!r}; zones are {', '.join(self.stack.zones)}")
        return {"first": self._route(str(value["zone"]))[0]}

    async def _route_region(self, fault_id: str, value: Value) -> Value:
        if value["to"] not in self.stack.regions:
            raise ValueError(f"no region {value['to']!r}; regions are {', '.join(self.stack.regions)}")
        return {"first": self._route(self.stack.zones[0])[0]}

    async def _start_answering(self, fault_id: str, value: Value) -> Value:
        status = int(value["status"])
        if not 200 <= status <= 599:
            raise ValueError(f"status {status} is not the status of an HTTP answer")
        if not isinstance(value.get("body") or {}, Mapping):
            raise ValueError("body is a JSON object")
        for name in ("times", "retry_after_s"):
            if value.get(name) is not None and float(value[name]) < 0:
                raise ValueError(f"{name} is not negative")
        return {"status": status}

    async def _stop_answering(self, fault_id: str, value: Value) -> None:
        self._answers_left.pop(fault_id, None)

    def _forced_answer(self, machine: str) -> Response | None:
        for fault_id, hold in self.holds.items():
            if hold.switch != "answer" or hold.value.get("machine") not in (None, machine):
                continue
            if hold.value.get("times") is not None:
                left = self._answers_left.get(fault_id, int(hold.value["times"]))
                if left <= 0:
                    continue
                self._answers_left[fault_id] = left - 1
            self.imds_requests[machine] = self.imds_requests.get(machine, 0) + 1
            return imds.forced(hold.value)
        return None

    async def _change_machine(self, request: Request, name: str) -> Response:
        """The management node tells the host which identities a machine has now (None takes the machine away)."""
        if not self.is_internal(request):
            return error(401, "Unauthorized", "machines are changed by the management node")
        if request.method == "DELETE":
            self.machines.pop(name, None)
            await self.ports.persist(f"machine:{name}", {"deleted": True})
            return Response(200, {})
        body = request.body or {}
        zone = str(body.get("zone") or self.stack.zones[0])
        machine = Machine(name, zone, str(body["arm_id"]), tuple(body["identities"]))
        self.machines[name] = machine
        await self.ports.persist(f"machine:{name}", asdict(machine) | {"identities": list(machine.identities)})
        return Response(200, {})

    async def control(self, request: Request) -> Response:
        if request.path == "/admin/prime" and request.method == "POST":
            return await self._prime((request.body or {}).get("tokens", []))
        if request.path == "/admin/drop-caches" and request.method == "POST":
            self.cache.clear()
            return Response(200, {"dropped": True})
        return await super().control(request)

    async def _prime(self, wanted: list[Mapping[str, Any]]) -> Response:
        """Fills the cache as if each token had been fetched `age_s` ago, through the ordinary path."""
        primed = 0
        for item in wanted:
            machine = self.machine(str(item["machine"]))
            if machine is None or not machine.identities:
                return error(404, "MachineNotFound", f"no machine {item['machine']!r} with an identity")
            response = await self.token(machine, machine.identities[0], str(item["resource"]), age_s=float(item["age_s"]))
            if not response.ok:
                return error(502, "PrimeFailed", f"{item['machine']}: {response.status} {response.body}")
            primed += 1
        return Response(200, {"primed": primed})


def _marked(response: Response, cache: str) -> Response:
    return Response(response.status, response.body, {**response.headers, "x-cache": cache})
