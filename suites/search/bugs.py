"""The planted bugs as the search is measured by them: on which ground, what they break, and within how many schedules."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fnmatch import fnmatchcase

from brownout.identity.core import planted
from brownout.suites.search.campaign import Plan, Sighting, carry_out_chunk
from brownout.suites.search.grounds import ground
from brownout.suites.search.minimise import Minimal, Minimiser


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug. `breaks` is the property that shows it, `budget` the schedules within which it has to be found."""

    name: str
    ground: str
    breaks: str
    budget: int
    acts: int

    def shows(self, found: Sighting) -> bool:
        return fnmatchcase(found.broken, self.breaks)


BUGS: tuple[Bug, ...] = (
    Bug(planted.ACCOUNT_GOES_BACK, "aws", "invariant:replicas-never-go-back", 400, 1),
    Bug(planted.REVOKED_KEY_ON_ONE_NODE, "aws", "invariant:no-revoked-access-key", 400, 1),
    Bug(planted.STALE_WITHOUT_AUDIENCE, "azure", "invariant:audience-isolation", 400, 1),
    Bug(planted.RELEASE_LIFTS_OTHERS, "azure", "lost:*", 400, 2),
    Bug(planted.PUBLISHER_GIVES_UP, "azure", "invariant:changes-arrive", 400, 1),
    Bug(planted.EXPIRED_ON_OUTAGE, "azure", "invariant:given-credentials-are-in-force", 400, 1),
    Bug(planted.TOMBSTONES_LOST, "azure", "invariant:deletions-stay", 400, 1),
    Bug(planted.STORE_KEY_GRACE, "azure", "invariant:no-revoked-store-key", 400, 1),
    Bug(planted.BREAKER_STAYS_OPEN, "azure", "objective:*-recover", 500, 1),
)


@dataclass(frozen=True, slots=True)
class Hunt:
    """How the search for one bug went; `found` and `minimal` are None where the budget was spent without it."""

    bug: Bug
    schedules: int
    cpu_s: float
    found: Sighting | None = None
    minimal: Minimal | None = None
    shrink_cpu_s: float = 0.0


def hunt(bug: Bug, *, seed: int = 1, size: int = 10, shrinks: bool = True) -> Hunt:
    """Searches for the bug in this process, within its budget, and shrinks what shows it."""
    plan = Plan(grounds=(bug.ground,), seed=seed, size=size, planted=(bug.name,))
    schedules, cpu_s = 0, 0.0
    while schedules < bug.budget:
        done = carry_out_chunk(plan, schedules // size)
        schedules += done.schedules
        cpu_s += done.cpu_s
        shown = [each for each in done.found if bug.shows(each)]
        if shown:
            found = min(shown, key=lambda each: each.number)
            if not shrinks:
                return Hunt(bug, found.number, cpu_s, found)
            began_s = time.process_time()
            minimal = Minimiser(ground(bug.ground), found.broken).minimal(found.schedule)
            return Hunt(bug, found.number, cpu_s, found, minimal, time.process_time() - began_s)
    return Hunt(bug, schedules, cpu_s)
