"""The host: many emulated machines, their routing to token nodes, and the host's token cache.

A machine is known by its address (brownout.identity.core.residents). Which token node it uses is the host's routing: its own
zone, the next zones when that one does not answer, or the zone or region that an operator has failed over to.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.core import trail
from brownout.identity.core.holds import Switch, Value, nothing_to_undo
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node, read_as
from brownout.identity.core.nodes.assigned.held_changes import HeldChanges
from brownout.identity.core.nodes.assigned.renewals import UNNAMED, DefaultIdentity, Renewals, no_default
from brownout.identity.core.overload.surges import SURGE, Surges
from brownout.identity.core.planted import EXPIRED_ON_OUTAGE, STALE_WITHOUT_AUDIENCE
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import CachedToken, Identity, Json, Machine, TokenRequest
from brownout.identity.core.residents import Residents
from brownout.identity.core.surface import Failure, Issued, Served, error
from brownout.identity.core.token_cache import TokenCache
from brownout.identity.core.topology import HOST, NodeSpec
from brownout.identity.core.trail import Hop

UNREACHABLE = Failure("unreachable", "the managed identity service does not answer")
SURGE_RESOURCE = "https://management.azure.com/"  # what the machines of a backlog report to
PATIENCE = 1.5  # a token node's own call to a store may time out before the host's call to the token node does


class Host(Node):
    """One region's host of many machines."""

    role = HOST
    pages = ("machines", "defaults")

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.caches: dict[str, TokenCache] = {}  # by the service on the host that has it
        self.cache = self.add_cache("")
        self.residents = Residents(self.stack.zones)
        self.machine = self.residents.find  # by address: once for every request, so without a step between
        self.requests: dict[str, int] = {}  # for credentials, by machine's address
        self.unnamed: set[str] = set()  # addresses of machines that asked without naming an identity
        self.default_identity: DefaultIdentity = no_default
        self.renewals = Renewals(self)
        self._changes = HeldChanges(self.holds)
        self.keeps_unnamed = self.settings.host_cache and self.settings.host_cache_unnamed
        self._surges = Surges(ports, self.holds, lambda number: _come_up(self, number))
        self.hops = {cache: Hop(self.name, cache=cache) for cache in ("hit", "miss", "stale")}
        self.holds.add(
            {
                "route-zone": Switch(self._route_zone, nothing_to_undo),
                "route-region": Switch(self._route_region, nothing_to_undo),
                SURGE: self._surges.switch,
            }
        )
        known = self.stack.by_name()
        for machine in self.stack.machines:
            if machine.region == self.region:
                identities = tuple(known[name] for name in machine.identities)
                made = Machine(machine.name, machine.zone, machine.resource_id, identities, machine.scale_set, machine.scope)
                if made.scale_set:
                    self.residents.add_scale_set(made)
                else:
                    self.residents.add(made)

    def add_cache(self, name: str, *, keep_s: float | None = None) -> TokenCache:
        """A cache of tokens for a service of that name on the host, beside the host's own, which has no name.

        `keep_s` is for how long such a service serves a token at most before it asks for another.
        """
        assert name not in self.caches, name
        settings = self.settings
        self.caches[name] = TokenCache(
            refresh_fraction=settings.host_refresh_fraction,
            margin_s=settings.expiry_margin_s,
            backoff_s=settings.host_refresh_backoff_s,
            keep_s=keep_s,
        )
        return self.caches[name]

    async def start(self) -> None:
        await super().start()
        self._surges.resume()

    def take_up(self, kind: str, name: str, record: Json) -> None:
        if kind == "scale-set":
            if record.get("deleted"):
                self.residents.remove_scale_set(name)
            else:
                self.residents.add_scale_set(Machine.from_json(record))
        if kind != "machine":
            return
        self.residents.remove(name)  # a later one may have its address
        if not record.get("deleted"):
            placed = self.residents.add(replace(Machine.from_json(record), address=name))
            assert placed.address == name, "a machine stands under its own address"

    def state(self) -> Json:
        routes = {zone: self._route(zone) for zone in self.stack.zones}
        cached = sum(map(len, self.caches.values()))
        plain = {"routes": routes, "cached": cached, "imds_requests": dict(self.requests), "held_back": self._changes.keys()}
        return plain | self._surges.state()

    def drop_caches(self) -> int:
        dropped = sum(map(len, self.caches.values()))
        for cache in self.caches.values():
            cache.clear()
        return dropped

    def default_machine(self) -> Machine | None:
        """The machine that is meant where a client names none: that of the settings, else the region's first."""
        return self.residents.find(str(self.settings.default_machines.get(self.region) or self.residents.first()))

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == "/machines" and request.method in ("PUT", "DELETE"):
            return Served(await self._change_machine(request), self.hop())
        if path == "/defaults" and request.method == "POST":
            return Served(self._who_would_miss_a_default(request), self.hop())
        return None

    def _who_would_miss_a_default(self, request: Request) -> Response:
        """Which machines, with identities as they are to be, would be refused what they ask for without naming one."""
        wanted = read_as(Machine.from_json, request)
        is_clear = isinstance(self.default_identity(wanted), Identity)
        known = (self.machine(address) for address in sorted(self.unnamed))
        concerned = [machine.address for machine in known if machine is not None and machine.key == wanted.key]
        return Response(200, {"machines": [] if is_clear else concerned})

    def count_request(self, machine: str) -> None:
        """Counts one request of the machine of that address for a credential, for the node's state."""
        counted = self.requests.get(machine, 0) + 1
        assert counted > 0, "requests are never uncounted"
        self.requests[machine] = counted

    async def issue(
        self,
        machine: Machine,
        identity: Identity,
        resource: str,
        *,
        age_s: float | None = None,
        bypass: bool = False,
        unnamed: bool = False,
        cache: TokenCache | None = None,
    ) -> Issued:
        """A token from a cache or from a token node; failures are the token node's, and `unreachable`.

        `age_s` asks for one that was issued that long ago (it fills caches as a long-running stack's would be). `bypass` asks
        for one that no cache has, neither this one nor the token node's. `unnamed` says that the request named no identity:
        with the setting `host_cache_unnamed` its token is cached as the answer to that, also when it means another identity.
        `cache` is that of the service that asks, the host's own where it names none.
        """
        kept = self.cache if cache is None else cache
        own_key, now_s = (identity.object_id, machine.address, resource), self.ports.now()
        key = (UNNAMED, machine.address, resource) if unnamed and self.keeps_unnamed else own_key
        freshness = kept.freshness(key, now_s) if self.settings.host_cache and not bypass else "none"
        cached = kept.get(key)
        if freshness == "fresh" and cached is not None and age_s is None:
            if self.capacity.on:
                await self.capacity.work("hit")
            return Issued(self.hops["hit"], token=cached)
        if self.capacity.on:
            await self.capacity.work("miss")
        issued_s = None if age_s is None else now_s - age_s
        wanted = TokenRequest(
            identity.object_id, identity.home_region, machine.resource_id, machine.address, resource, issued_s, bypass
        )
        assert wanted.key == own_key, "both caches tell the same tokens apart"
        asked = await self._ask(machine.zone, wanted)
        if asked.token is not None:
            kept.put(key, asked.token)
            if kept.freshness(key, now_s) == "due":  # the token node's own cache gave us the one that we had
                kept.asked(key, now_s)
        elif freshness == "due" and cached is not None and asked.failure is not None and asked.failure.is_outage:
            kept.asked(key, now_s)
            return Issued(self.hops["stale"], asked.inner, token=cached)
        elif self.settings.planted and asked.failure is not None and asked.failure.is_outage:
            return _planted_answer(self, kept, own_key, asked)
        return asked

    def kept(self, machine: Machine, resource: str) -> Issued | None:
        """What is cached for requests that name no identity, while it may be served; None without that.

        For a surface that cannot say any more which identity such a request means.
        """
        key = (UNNAMED, machine.address, resource)
        freshness = self.cache.freshness(key, self.ports.now()) if self.keeps_unnamed else "none"
        if freshness in ("none", "ending"):
            return None
        return Issued(self.hops["hit" if freshness == "fresh" else "stale"], token=self.cache.get(key))

    async def _ask(self, zone: str, wanted: TokenRequest) -> Issued:
        """What the zone's token nodes say of a token."""
        response = await self.ask_token_nodes(zone, self.internal("POST", "/token", wanted.to_json()))
        if response is None:
            return Issued(self.hops["miss"], failure=UNREACHABLE)
        hop, inner = self.hops["miss"], trail.of(response)
        if response.ok and response.body is not None:
            return Issued(hop, inner, token=CachedToken.from_json(response.body))
        return Issued(hop, inner, failure=Failure.from_response(response))

    async def ask_token_nodes(self, zone: str, request: Request, *, failed_over: bool = True) -> Response | None:
        """The answer of the first token node that answers, of those that the zone's machines use; None where none does.

        Without `failed_over` it is one of this region, whatever operators have failed over: for what only the region has.
        """
        for node in self._route(zone) if failed_over else _own_nodes(self, zone):
            try:
                return await self.ports.call(node, request, timeout_s=PATIENCE * self.call_timeout_s)
            except CallFailed as failed:
                if failed.failure == "timeout":
                    break  # trying another zone would outlast the client
        return None

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

    async def _change_machine(self, request: Request) -> Response:
        """The management node says which identities a machine has now, or that there is no such machine any more."""
        changed = read_as(lambda raw: Machine.from_json({**raw, "zone": raw.get("zone") or self.stack.zones[0]}), request)
        if changed.scale_set:
            gone = request.method == "DELETE"
            await self.ports.persist(f"scale-set:{changed.name}", {"deleted": True} if gone else changed.to_json())
            if gone:
                self._changes.make(changed.key, lambda: self.residents.remove_scale_set(changed.name))
            else:
                self._changes.make(changed.key, lambda: self.residents.add_scale_set(changed))
            return Response(200, {"address": changed.name})
        known = self.residents.by_resource(changed.key)
        if request.method == "PUT":
            placed = replace(changed, address=known.address) if known else self.residents.add(changed)
            if known:
                self._changes.make(changed.key, lambda: self.residents.add(placed))
            await self.ports.persist(f"machine:{placed.address}", placed.to_json())
            return Response(200, {"address": placed.address})
        if known is not None:
            address = known.address
            self._changes.make(changed.key, lambda: self.residents.remove(address))
            await self.ports.persist(f"machine:{address}", {"deleted": True})
        return Response(200, {})

    async def control(self, request: Request, path: str) -> Response:
        if path == "/admin/prime" and request.method == "POST":
            return await self._prime((request.body or {}).get("tokens", []))
        if path == "/admin/drop-caches" and request.method == "POST":
            return Response(200, {"dropped": self.drop_caches()})
        if path == "/admin/renewals" and request.method == "GET":
            tried = await self.renewals.look()
            return Response(200, {"now_s": self.ports.now(), "tokens": [renewal.to_json() for renewal in tried]})
        return await super().control(request, path)

    async def _prime(self, wanted: list[Json]) -> Response:
        """Fills the cache as if each token had been fetched `age_s` ago, through the ordinary path.

        The answer has the machines by the trail over which theirs came, so that a record knows what is behind a cached token.
        """
        primed, routes = 0, dict[str, list[str]]()
        for item in wanted:
            machine = self.machine(str(item["machine"]))
            if machine is None or not machine.identities:
                return error(404, "MachineNotFound", f"no machine {item['machine']!r} with an identity")
            resource, age_s, service = str(item["resource"]), float(item["age_s"]), str(item.get("service", ""))
            named = (known for known in machine.identities if known.resource_id == item.get("identity"))
            identity = next(named, machine.identities[0])
            issued = await self.issue(
                machine, identity, resource, age_s=age_s, unnamed=not service, cache=self.caches[service] if service else None
            )
            if issued.failure is not None:
                return error(502, "PrimeFailed", f"{item['machine']}: {issued.failure.code}: {issued.failure.message}")
            if issued.token is not None and not service:  # those of its callers that name the identity have had it as long
                self.cache.put((identity.object_id, machine.address, resource), issued.token)
            routes.setdefault(f"{issued.hop}>{issued.inner}", []).append(machine.name)
            primed += 1
        assert primed == len(wanted), "caches are primed whole or the answer is an error"
        return Response(200, {"primed": primed, "routes": routes})


def fresh_token(
    host: Host, machine: Machine, identity: Identity, resource: str, now_s: float, *, unnamed: bool, cache: TokenCache | None
) -> CachedToken | None:
    """The token that `host.issue` would serve from a cache at `now_s`, without waiting; None where it would not."""
    if host.capacity.on or not host.settings.host_cache:
        return None
    kept = host.cache if cache is None else cache
    key = (UNNAMED if unnamed and host.keeps_unnamed else identity.object_id, machine.address, resource)
    return kept.get(key) if kept.freshness(key, now_s) == "fresh" else None


def _own_nodes(host: Host, zone: str) -> list[str]:
    """The token nodes of the host's region, the zone's first."""
    nodes, start = host.stack.token_nodes(host.region), host.stack.zones.index(zone)
    return [*nodes[start:], *nodes[:start]]


async def _come_up(host: Host, number: int) -> bool:
    """One machine more comes up and needs a token: of a scale set, if the region has one. False where it gets none."""
    machine = host.residents.newcomer(number)
    if machine is None or not machine.identities:
        return False
    identity = machine.identities[0]
    wanted = TokenRequest(identity.object_id, identity.home_region, machine.resource_id, machine.address, SURGE_RESOURCE, None)
    answer = await host.ask_token_nodes(machine.zone, host.internal("POST", "/token", wanted.to_json()))
    return answer is not None and answer.ok


def _planted_answer(host: Host, kept: TokenCache, wanted: tuple[str, str, str], asked: Issued) -> Issued:
    """What a host with a planted bug makes of an outage (core/planted.py)."""
    planted = host.settings.planted
    found = kept.get(wanted) if EXPIRED_ON_OUTAGE in planted else None
    if STALE_WITHOUT_AUDIENCE in planted:
        same = (token for key, token in kept.items() if key[:2] == wanted[:2] and kept.ends_s(token) > host.ports.now())
        found = found or next(same, None)
    return asked if found is None else Issued(host.hops["stale"], asked.inner, token=found)
