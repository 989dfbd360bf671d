"""How much a node can do at once, as data: the setting `capacity` by role, and what holds put in its place.

Times are emulated, as all work of a node is: at any rate of the stack's clock a node is as busy with the same load. Clients'
patience is network time, so queues that outlast it need a clock of rate 1 (or the simulation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from brownout.identity.core.records import Json
from brownout.identity.core.topology import DEPLOYER, DIRECTORY, EDGE, HOST, MANAGEMENT, STORE, TOKEN, VAULT

Work = Literal["request", "hit", "miss", "read", "write"]
EVERY: Work = "request"
# What a role does beside taking a request at all: an answer from its cache, one that it has to ask for, store operations.
KINDS: Mapping[str, tuple[Work, ...]] = {
    HOST: (EVERY, "hit", "miss"),
    TOKEN: (EVERY, "hit", "miss"),
    STORE: (EVERY, "read", "write"),
    **dict.fromkeys((MANAGEMENT, VAULT, DIRECTORY, DEPLOYER, EDGE), (EVERY,)),
}
STATUSES = (429, 503)
LONGEST_S = 86_400.0
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one node can do. 0 is no limit and no time.

    `at_once` requests are worked on, each for `work_s` of its kinds added up and for as long as other nodes take; `queue`
    more may wait, the rest is refused. A node is not told that a client has given up: what waits is worked on all the same.
    Two things limit that: a request whose turn comes after `give_up_s` is refused then, and with `shed_s` one is refused on
    arrival when it would wait for longer. Refusals have `status`, and `retry_after_s` where that is not 0; they cost nothing.
    """

    at_once: int = 0
    queue: int = 0
    work_s: Mapping[str, float] = field(default_factory=dict)
    give_up_s: float = 0.0
    shed_s: float = 0.0
    status: int = 503
    retry_after_s: float = 0.0

    @classmethod
    def of(cls, raw: Json, role: str) -> Self:
        """The limits in a table for nodes of `role`; raises ValueError that names what is wrong."""
        return cls().changed(raw, role)

    def changed(self, raw: Json, role: str) -> Self:
        """These limits with those of `raw` in place of the same names; raises ValueError."""
        surplus = sorted(raw.keys() - _NAMES)
        if surplus:
            raise ValueError(f"capacity has no {surplus[0]!r}; it has {', '.join(sorted(_NAMES))}")
        work_s = raw.get("work_s", {})
        if not isinstance(work_s, Mapping):
            raise ValueError(f"work_s is a table of seconds by kind, not {work_s!r}")
        for kind in work_s:
            if kind not in KINDS[role]:
                raise ValueError(f"{role} nodes have no work {kind!r}; they have {', '.join(KINDS[role])}")
        plain: dict[str, Any] = {name: _count(name, raw[name]) for name in ("at_once", "queue") if name in raw}
        plain |= {name: _seconds(name, raw[name]) for name in ("give_up_s", "shed_s", "retry_after_s") if name in raw}
        if raw.get("status", 503) not in STATUSES:
            raise ValueError(f"an overloaded node answers {' or '.join(map(str, STATUSES))}, not {raw['status']!r}")
        if "status" in raw:
            plain["status"] = int(raw["status"])
        works = {**self.work_s, **{kind: _seconds(f"work_s.{kind}", value) for kind, value in work_s.items()}}
        return replace(self, **plain, work_s=works)

    @property
    def are_set(self) -> bool:
        """Whether they limit or slow anything."""
        return self.at_once > 0 or any(self.work_s.values())

    @property
    def patience_s(self) -> float:
        """After how long a wait a request is refused when its turn comes; infinity where it is worked on all the same."""
        return min(filter(None, (self.give_up_s, self.shed_s)), default=float("inf"))


_NAMES = frozenset(each.name for each in fields(Limits))


def check_capacity(raw: Mapping[str, Json]) -> None:
    """Raises ValueError for a setting `capacity` that is none."""
    for role, limits in raw.items():
        if role not in KINDS:
            raise ValueError(f"capacity: no role {role!r}; roles are {', '.join(sorted(KINDS))}")
        if not isinstance(limits, Mapping):
            raise ValueError(f"capacity of {role} is a table, not {limits!r}")
        try:
            Limits.of(limits, role)
        except ValueError as wrong:
            raise ValueError(f"capacity of {role}: {wrong}") from None


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise ValueError(f"{name} is a whole number from 0 to {MOST}, not {value!r}")
    return value


def _seconds(name: str, value: object) -> float:
    # The comparison refuses infinity, and NaN, of which no comparison is true.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
        raise ValueError(f"{name} is a number of emulated seconds from 0 to {LONGEST_S:g}, not {value!r}")
    return float(value)
