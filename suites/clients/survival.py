"""Which clients survive an outage as long as that of 12 July 2024, found from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brownout.suites.clients.answers import AGES, HOUR_S, OUTAGES
from brownout.suites.clients.records import ClientMeasurement

OUTAGE_S = 5.5 * HOUR_S
LIFE_S = 24 * HOUR_S
LAST_S = 300.0  # of a token's life, in which clients do not use it any more
KEEPING_NONE = ("az-login", "az-token")  # clients whose every command is a process that asks anew
PAST_HALF, AT_THE_END = "17 h 30 min", "23 h 57 min"  # the first is the oldest at the end of the outage
assert AGES[PAST_HALF] == LIFE_S / 2 + OUTAGE_S


@dataclass(frozen=True, slots=True)
class Survival:
    """What an outage does to processes whose tokens are of all ages when it begins.

    `refreshes_s` is the age at which the client asks for a new token, 0 for one that keeps none. `stalls_s` has for each answer
    of `OUTAGES` how long a call takes that asks in vain; `raises` has those answers after which it raises.
    """

    client: str
    refreshes_s: float
    stalls_s: Mapping[str, float]
    raises: frozenset[str]

    @property
    def asking_share(self) -> float:
        """The share of processes that ask within the outage."""
        return min(1.0, OUTAGE_S / self.refreshes_s) if self.refreshes_s else 1.0

    @property
    def survives(self) -> bool:
        """True when none of them fails, whatever IMDS answers. A token whose refresh fails is good for hours, then for none."""
        return not self.raises


def survivals(rows: Sequence[ClientMeasurement]) -> tuple[Survival, ...]:
    """Of every client that was measured in an outage, in the order of the rows; one that keeps no token is always in one."""
    found = {(row.client, row.answer, row.age): row for row in rows}

    def in_vain(client: str, age: str) -> list[ClientMeasurement]:
        return [found[client, answer.name, age] for answer in OUTAGES if (client, answer.name, age) in found]

    told = []
    for client in dict.fromkeys(row.client for row in rows):
        past_half, at_the_end, cold = (in_vain(client, age) for age in (PAST_HALF, AT_THE_END, ""))
        if len(past_half) == len(OUTAGES) and any(row.requests for row in past_half):
            told.append(_survival(client, LIFE_S / 2, past_half))
        elif len(at_the_end) == len(OUTAGES):
            told.append(_survival(client, LIFE_S - LAST_S, at_the_end))
        elif client in KEEPING_NONE and len(cold) == len(OUTAGES):
            told.append(_survival(client, 0.0, cold))
    return tuple(told)


def _survival(client: str, refreshes_s: float, vain: Sequence[ClientMeasurement]) -> Survival:
    stalls_s = {row.answer: row.seconds for row in vain}
    return Survival(client, refreshes_s, stalls_s, frozenset(row.answer for row in vain if row.error))
