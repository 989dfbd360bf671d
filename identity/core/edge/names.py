"""Names by which clients find a stack's regions, and what the resolvers of the clients' regions make of them.

Theory. A name leads to the nodes of one role in one region; which region may depend on where the client stands, as with a
global name that is served locally. Clients of a region share one resolver. It keeps a record for the record's time to live,
good or bad. So a bad record has two ends: the one of the fault that published it, and that of each resolver's copy.
`nxdomain`, `empty` and `wrong` are such records; `slow` and `reset` concern the way to the name and are over when they end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

NameEffect = Literal["nxdomain", "empty", "wrong", "slow", "reset"]
NAME_EFFECTS: tuple[NameEffect, ...] = get_args(NameEffect)
RECORDS = frozenset({"nxdomain", "empty", "wrong"})


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
    def of(cls, value: Mapping[str, Any], *, names: Collection[str], regions: Collection[str]) -> NameFault:
        """The fault in a switch's value, for a stack with these names and regions; raises ValueError, KeyError or TypeError."""
        effect = cast(NameEffect, str(value["effect"]))
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


@dataclass(frozen=True, slots=True)
class NameRecord:
    """What a resolver says of a name: where it leads, or `nxdomain` or `empty`; kept until `until_s` of emulated time."""

    endpoint: Endpoint | None
    problem: Literal["", "nxdomain", "empty"] = ""
    until_s: float = 0.0


class Resolvers:
    """The resolvers of all regions. `ttl_s` is how long they keep a good record."""

    def __init__(self, endpoints: NameRoutes, ttl_s: float) -> None:
        self._endpoints, self._ttl_s = endpoints, ttl_s
        self._kept: dict[tuple[str, str], NameRecord] = {}
        self.names = frozenset(name for name, _ in endpoints)

    def look_up(self, name: str, region: str, faults: Iterable[NameFault], now_s: float) -> NameRecord:
        """The record that a client in `region` gets; raises KeyError for a name that the stack does not have."""
        kept = self._kept.get((name, region))
        if kept is not None and now_s < kept.until_s:
            return kept
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
