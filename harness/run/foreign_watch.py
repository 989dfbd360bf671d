"""The watch over what others do to a run's stack: toxics, proxies and holds that this run did not make.

Any user of the machine can reach Toxiproxy's API, which knows no rights, and change links around the ledger. A verdict on such
a stack would be one on a foreign fault. So while the load is on, links and nodes are looked at once a second; whatever
is foreign is named by the gate `foreign`. A change that comes and goes within a second can be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from brownout.harness.errors import WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.run.journal import Journal
from brownout.harness.world import LiveWorld, Survey

LOOK_EVERY_S = 1.0  # real time
NAMED_AT_MOST = 8


class ForeignWatch:
    """Looks from `start` to `stop`, which records the gate `foreign`."""

    def __init__(self, world: LiveWorld, ledger: Ledger, stack_id: str, journal: Journal) -> None:
        self._world, self._ledger, self._stack_id, self._journal = world, ledger, stack_id, journal
        self._seen_s: dict[str, float] = {}  # each sentence with the emulated time at which it was first true
        self._looks = 0
        self._problem: str  # why a look failed; where none succeeded there is one, as `stop` looks before it asks
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look, beside the run."""
        self._task = asyncio.ensure_future(self._look_often())

    async def stop(self) -> None:
        """Takes a last look and records the gate; nothing when it never began."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self.look()
        passed, reason = self._verdict()
        self._journal.gate("foreign", passed=passed, reason=reason)

    async def look(self) -> None:
        """One look; what does not answer is left to the gates of those who need the answer."""
        try:
            seen = await self._world.survey(switches=False)
        except WorldError as error:
            self._problem = error.message
            return
        self._looks += 1
        for sentence in self._foreign(seen):
            if sentence not in self._seen_s:
                self._seen_s[sentence] = self._world.now()
                self._journal.event("stack", "foreign", detail={"text": sentence})

    def _verdict(self) -> tuple[bool, str]:
        """Whether nothing foreign was seen, and the reason in words. Without a single look nothing is known."""
        if not self._looks:
            return False, f"links and nodes could not be looked at: {self._problem}"
        if not self._seen_s:
            return True, f"no other program changed the stack's links and nodes, in {self._looks} looks at them"
        named = list(self._seen_s)[:NAMED_AT_MOST]
        more = f", and {len(self._seen_s) - len(named)} more" if len(self._seen_s) > len(named) else ""
        return False, f"not done by this run: {'; '.join(named)}{more}"

    def _foreign(self, seen: Survey) -> Iterable[str]:
        yield from seen.foreign
        ours = {fault.id for fault in self._ledger.faults(self._stack_id)}  # read after the carriers: a row comes first
        for carrier, holds in sorted(seen.holds.items()):
            yield from (f"{carrier} is held by {fault_id}" for fault_id in holds if fault_id not in ours)

    async def _look_often(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)
