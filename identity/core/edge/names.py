"""Names by which clients find a stack's regions, and what the resolvers of the clients' regions make of them.

Theory. A name leads to the nodes of one role in one region; which region may depend on where the client stands, as with a
global name that is served locally. Clients of a region share one resolver. It keeps a record for the record's time to live,
good or bad. So a bad record has two ends: the one of the fault that published it, and that of each resolver's copy.
`nxdomain`, `empty`, `wrong` and `lost` are such records; `slow` and `reset` concern the way to the name and are over when they
end. `lost` is an act of the zone's owner: the record is removed, and a check of the owner's may refuse that.

A client may have a cache of its own before its region's resolver. It keeps what leads somewhere for one time and what does not
for another, whatever the record says, as resolvers with limits of their own, runtimes and proxies do. Each is filled when its
clients ask, so caches that are alike run out at different moments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple, cast, get_args

from brownout.identity.core.holds import Value

NameEffect = Literal["nxdomain", "empty", "wrong", "lost", "slow", "reset"]
NAME_EFFECTS: tuple[NameEffect, ...] = get_args(NameEffect)
RECORDS = frozenset({"nxdomain", "empty", "wrong", "lost"})
IN_USE_S = 86_400.0  # a name that was asked for within this time is in use


class Endpoint(NamedTuple):
    """What a name leads to: the nodes of a role in a region."""

    role: str
    region: str


NameRoutes = Mapping[tuple[str, str], Endpoint]  # by name and the region in which the client stands


@dataclass(frozen=True, slots=True)
class NameFault:
    """What is wrong with one name for clients in some regions (all where none is named).

    `wrong` leads to the region `to`. `slow` takes `delay_s` longer; both times are emulated seconds. A record stays in
    resolvers for `ttl_s` after they got it.
    """

    name: str
    effect: NameEffect
    regions: tuple[str, ...] = ()
    to: str = ""
    ttl_s: float = 0.0
    delay_s: float = 0.0

    @classmethod
    def of(cls, value: Value, *, names: Collection[str], regions: Collection[str]) -> NameFault:
        """The fault in a switch's value, for a stack with these names and regions; raises ValueError, KeyError or TypeError."""
        effect = cast(NameEffect, str(value["effect"]))  # what it really is, _check looks at
        numbers = {key: float(value.get(key, 0.0)) for key in ("ttl_s", "delay_s")}
        made = cls(str(value["name"]), effect, tuple(value.get("regions", ())), str(value.get("to", "")), **numbers)
        made._check(names, regions)
        return made

    def _check(self, names: Collection[str], regions: Collection[str]) -> None:
        if self.effect not in NAME_EFFECTS:
            raise ValueError(f"a name is {', '.join(NAME_EFFECTS)}, not {self.effect!r}")
        if self.name not in names:
            raise ValueError(f"the stack has no name {self.name!r}; it has {', '.join(sorted(names))}")
        for region in (*self.regions, *([self.to] if self.effect == "wrong" else [])):
            if region not in regions:
                raise ValueError(f"no region {region!r}; regions are {', '.join(regions)}")
        if not (self.ttl_s >= 0 and self.delay_s >= 0) or (self.effect == "slow") is not (self.delay_s > 0):
            raise ValueError("ttl_s is not negative, and delay_s is above 0 for slow and for nothing else")

    def concerns(self, name: str, region: str) -> bool:
        return name == self.name and (not self.regions or region in self.regions)


class NameRecord(NamedTuple):
    """What a resolver says of a name: where it leads, or `nxdomain` or `empty`; kept until `until_s` of emulated time."""

    endpoint: Endpoint | None
    problem: Literal["", "nxdomain", "empty"] = ""
    until_s: float = 0.0


class NameCache(NamedTuple):
    """A client's own cache, by its name; how long it keeps a record that leads somewhere, and one that does not.

    `first_s` is how long it keeps the first good one: a cache that was in use before it is first seen here has one of some age.
    """

    name: str
    ttl_s: float
    negative_ttl_s: float
    first_s: float

    def __str__(self) -> str:
        """As it stands in a request's header."""
        return f"{self.name};{self.ttl_s:g};{self.negative_ttl_s:g};{self.first_s:g}"

    @classmethod
    def of(cls, text: str) -> NameCache:
        """From a header; raises ValueError."""
        name, *times = text.split(";")
        try:
            made = cls(name, *map(float, times))
            sound = bool(name) and all(0 <= time_s < inf for time_s in made[1:])
        except (ValueError, TypeError):
            sound = False
        if not sound:
            raise ValueError(f"a name cache is NAME;TTL_S;NEGATIVE_TTL_S;FIRST_S, not {text[:60]!r}")
        return made

    def keeps_s(self, record: NameRecord, *, first: bool) -> float:
        """For how long it keeps a record that it has just got."""
        if record.endpoint is None:
            return self.negative_ttl_s
        return self.first_s if first else self.ttl_s


class NameFound(NamedTuple):
    """What a look-up found. `cache` is `hit` or `miss` for a client with a cache of its own, else empty."""

    record: NameRecord
    cache: Literal["", "hit", "miss"] = ""


class Resolvers:
    """The resolvers of all regions, and the caches of clients. `ttl_s` is how long resolvers keep a good record.

    They live in memory: with the edge's process what was kept is gone, and so is what is known of use.
    """

    def __init__(self, endpoints: NameRoutes, ttl_s: float) -> None:
        self._endpoints, self._ttl_s = endpoints, ttl_s
        self._kept: dict[tuple[str, str], NameRecord] = {}
        self._cached: dict[tuple[str, str, str], NameRecord] = {}
        self._asked_s: dict[str, float] = {}  # by name: when a client's question last got as far as the zone's own servers
        self.names = frozenset(name for name, _ in endpoints)

    def look_up_for(
        self, name: str, region: str, faults: Iterable[NameFault], now_s: float, *, cache: NameCache | None, counts: bool = True
    ) -> NameFound:
        """The record that a client gets, by its own cache if it has one. `counts`: it is use of the name, and no probe."""
        if cache is None:
            return NameFound(self.look_up(name, region, faults, now_s, counts=counts))
        kept = self.cached(name, region, cache, now_s)
        if kept is not None:
            return NameFound(kept, "hit")
        found, key = self.look_up(name, region, faults, now_s, counts=counts), (cache.name, name, region)
        keeps_s = cache.keeps_s(found, first=key not in self._cached)
        self._cached[key] = found._replace(until_s=now_s + keeps_s)
        assert keeps_s >= 0, "what is kept is kept from now on"
        return NameFound(found, "miss")

    def cached(self, name: str, region: str, cache: NameCache, now_s: float) -> NameRecord | None:
        """The record in a client's own cache, None where it has to ask."""
        kept = self._cached.get((cache.name, name, region))
        return kept if kept is not None and now_s < kept.until_s else None

    def used_s(self, name: str) -> float | None:
        """When the record was last asked for, None where it never was in this life."""
        return self._asked_s.get(name)

    def look_up(self, name: str, region: str, faults: Iterable[NameFault], now_s: float, *, counts: bool = True) -> NameRecord:
        """The record that the resolver of `region` gives; raises KeyError for a name that the stack does not have."""
        kept = self._kept.get((name, region))
        if kept is not None and now_s < kept.until_s:
            return kept
        if counts:
            self._asked_s[name] = now_s
        found = self._published(name, region, faults, now_s)
        assert found.endpoint is not None or found.problem, "a record leads somewhere or says why not"
        self._kept[name, region] = found
        return found

    def _published(self, name: str, region: str, faults: Iterable[NameFault], now_s: float) -> NameRecord:
        """The record as it is published now: that of the newest fault, else the good one."""
        good = self._endpoints[name, region]
        bad = [fault for fault in faults if fault.effect in RECORDS and fault.concerns(name, region)]
        if not bad:
            return NameRecord(good, until_s=now_s + self._ttl_s)
        until_s = now_s + bad[-1].ttl_s
        match bad[-1].effect:
            case "wrong":
                return NameRecord(good._replace(region=bad[-1].to), until_s=until_s)
            case "empty":
                return NameRecord(None, "empty", until_s)
            case _:
                return NameRecord(None, "nxdomain", until_s)
