"""Measures the matrix: event by event, every call of every region while the event is seen in force.

Law: awaits nothing but the world's methods and what is built on them, so it runs on the virtual clock and under asyncio alike.
Faults go through the life cycle of all faults. Events begin only on a stack on which every call works without them.

Once its faults are in place a role is made at home, where that is possible, and given time to reach every region. One call
assumes it: what a region does by an older account is seen by it, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.errors import LeftUnsafe, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.looks import look
from brownout.harness.injection.outcomes import Applied
from brownout.harness.load.models.model import ArrivalResult
from brownout.harness.load.playing import Playing, perform
from brownout.harness.matrix.calls import CALLS, CREATE_USER, SDK, CallSite, ClientRegion, HeldByClients, MatrixCall, Patience
from brownout.harness.matrix.events import MatrixEvent
from brownout.harness.matrix.holdings import Holdings
from brownout.harness.record.matrix import MatrixCell, MatrixRow
from brownout.harness.world import Settings, World
from brownout.harness.worlds.catalog import check_able
from brownout.identity.core import trail
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import EDGE_NODE

LONGEST_ROW_S = 900.0  # network time: after that the guardian ends an event's faults
WELL_WITHIN_S, WELL_PAUSE_S = 60.0, 0.5  # network time
ON_ITS_WAY_S = 12.0  # network time: a round of the publisher that is on its way when an event begins may have to time out first
UNHEALED_HINT = "`brownout heal` tries again; `brownout down` takes the stack away and its faults with it"


@dataclass(slots=True)
class MatrixMeasurement:
    """One matrix being measured on a stack that is up. Setting `stopped` ends it after the calls under way."""

    world: World
    life: LifeCycle
    holdings: Holdings
    home: ClientRegion
    clients: tuple[ClientRegion, ...]
    attempts: int
    stopped: bool = False
    _number: int = field(default=0)
    _new_role: str = field(default="")

    async def rows(self, events: tuple[MatrixEvent, ...]) -> tuple[MatrixRow, ...]:
        """The rows measured; raises WorldError, LeftUnsafe and what the life cycle raises, with every fault undone or told."""
        await self.holdings.establish(self.home)
        await self._await_well()
        found: list[MatrixRow] = []
        for event in events:
            if self.stopped:
                break
            found.append(await self._row(event))
        return tuple(found)

    async def _row(self, event: MatrixEvent) -> MatrixRow:
        held = {at.region: await self.holdings.fresh(at) for at in self.clients}
        faults = tuple(plugins.fault(call.kind, call.params) for call in event.faults)
        row = MatrixRow(event=event.name, title=event.title, faults=tuple(fault.describe() for fault in faults))
        try:
            begun = await self._begin(event, faults)
            if any(applied.state != "bitten" for applied in begun):
                return row.model_copy(update={"in_force": False, "evidence": tuple(applied.evidence for applied in begun)})
            sites = self._sites(event.name, held)
            cells = await self._cells(sites)
            seen = [await look(self.world, fault) for fault in faults]
        finally:
            if faults:
                await self._heal()
        in_force = all(each.state == "bitten" for each in seen)
        kept = await self._with_effects(sites, cells) if in_force else ()
        evidence = tuple(each.evidence for each in seen)
        return row.model_copy(update={"in_force": in_force, "evidence": evidence, "cells": kept})

    async def _begin(self, event: MatrixEvent, faults: tuple[Fault, ...]) -> list[Applied]:
        """Puts all faults in place, then awaits the bite of each."""
        until_s = self.world.now() + LONGEST_ROW_S * self.world.rate
        records = []
        for fault in faults:
            check_able(fault.kind, fault.needs, self.world.name)
            record = await self.life.intend(event.name, fault, until_s=until_s)
            records.append((record, fault, await self.life.apply(record, fault)))
        await self._make_role()
        interval_s = Settings.of(self.world.spec.settings).iam_publish_interval_s
        await self.world.sleep_until(self.world.now() + 2 * interval_s + ON_ITS_WAY_S * self.world.rate)
        return [
            applied if applied.state == "defended" else await self.life.await_bite(record, fault, applied)
            for record, fault, applied in records
        ]

    async def _make_role(self) -> bool:
        """Tries to make a role at home; without one the call that assumes it fails."""
        self._new_role = f"matrix-new-{self._next_number()}"
        try:
            await self.holdings.make_role(self.home, self._new_role)
        except WorldError:
            return False
        return True

    async def _heal(self) -> None:
        """Undoes every fault and returns once every call works again; raises LeftUnsafe and WorldError."""
        for undone in await self.life.revert_all():
            if undone.state not in ("healed", "defended"):
                raise LeftUnsafe(f"{undone.fault_id} could not be reverted: {undone.evidence}", hint=UNHEALED_HINT)
        if not self.stopped:
            await self._await_well()

    async def _await_well(self) -> None:
        """Makes all calls until every one works at its first attempt; raises WorldError when that takes too long."""
        end_s, has_role = self.world.now() + WELL_WITHIN_S * self.world.rate, False
        while True:
            has_role = has_role or await self._make_role()
            problem = await self._problem()
            if not problem or self.stopped:
                return
            if self.world.now() > end_s:
                raise WorldError(f"without any fault the stack is not well: {problem}")
            await self.world.sleep_until(self.world.now() + WELL_PAUSE_S * self.world.rate)

    async def _problem(self) -> str:
        """The first call that does not work, "" where all do."""
        try:
            held = {at.region: await self.holdings.fresh(at) for at in self.clients}
        except WorldError as error:
            return error.message
        cells = await self._cells(self._sites("well", held), attempts=1)
        failed = (cell for cell in cells if cell.outcome != "works")
        return next((f"{cell.call} in {cell.region}: {cell.status} {cell.error}" for cell in failed), "")

    def _sites(self, event: str, held: Mapping[str, HeldByClients]) -> tuple[CallSite, ...]:
        """The clients of every region, with a name for what they make that no others use."""
        number = self._next_number()
        return tuple(
            CallSite(at, held[at.region], f"matrix-{event}-{at.region}-{number}", self._new_role) for at in self.clients
        )

    async def _cells(self, sites: tuple[CallSite, ...], *, attempts: int = 0) -> tuple[MatrixCell, ...]:
        """Every call of every client, once. Clients of a machine wait for a second or two: they are not to be disturbed."""
        asked = [(site, call) for site in sites for call in CALLS]
        alone = {(site.id, call.name): await self._cell(site, call, attempts) for site, call in asked if call.patience.is_short}
        others = [self._cell(site, call, attempts) for site, call in asked if not call.patience.is_short]
        at_once = iter(await self.world.together(others))
        return tuple(alone.get((site.id, call.name)) or next(at_once) for site, call in asked)

    async def _with_effects(self, sites: tuple[CallSite, ...], cells: tuple[MatrixCell, ...]) -> tuple[MatrixCell, ...]:
        """The cells, those of users that a client was not told to be made with whether they are there after the event."""
        names = {site.at.region: site.id for site in sites}
        found: list[MatrixCell] = []
        for cell in cells:
            if cell.call == CREATE_USER and cell.outcome != "works" and not self.stopped:
                exists = await self.holdings.has_user(self.home, names[cell.region])
                cell = cell.model_copy(update={"took_effect": exists})
            found.append(cell)
        return tuple(found)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _cell(self, site: CallSite, call: MatrixCall, attempts: int) -> MatrixCell:
        """One call as a client makes it, all its attempts. Only SDK calls have another number of attempts than their own."""
        patience = replace(SDK, attempts=self.attempts) if call.patience is SDK else call.patience
        patience = replace(patience, attempts=attempts or patience.attempts)
        world, began_s, attempt = self.world, self.world.now(), 1
        while True:
            result = _as_met(await perform(Playing(call.script(site, world.now())), partial(_ask, world, patience)))
            if self.stopped or attempt == patience.attempts or not patience.retries(result):
                break
            await world.sleep_until(world.now() + self._pause_s(site, call, attempt) * world.rate)
            attempt += 1
        return MatrixCell(
            call=call.name,
            region=site.at.region,
            outcome="works" if result.outcome == "happened" else "refused" if result.status else "unreachable",
            status=result.status,
            error=result.error,
            latency_ms=round((world.now() - began_s) / world.rate * 1000, 1),
            attempts=attempt,
            served_by=tuple(hop.node for hop in trail.parse(result.trail) if hop.node != EDGE_NODE),
        )

    def _pause_s(self, site: CallSite, call: MatrixCall, attempt: int) -> float:
        if call.patience.pause_s is not None:
            return call.patience.pause_s
        event = site.id.rpartition("-")[0]  # without the number: what was made before changes no other draw
        return keyed_random(self.world.spec.seed, "pause", event, call.name, attempt) * 2.0 ** (attempt - 1)


async def _ask(world: World, patience: Patience, node: str, request: Request) -> Response:
    return await world.client(node, request, timeout_s=patience.timeout_s)


def _as_met(result: ArrivalResult) -> ArrivalResult:
    """The result as a client meets it: what the edge says by itself is no answer of the service, but a failure to connect.

    An error that repeats the status says nothing.
    """
    if result.error == f"status-{result.status}":
        return result._replace(error="")
    hops = trail.parse(result.trail)
    if result.outcome == "happened" or [hop.node for hop in hops] != [EDGE_NODE]:
        return result
    return result._replace(status=0, outcome="unknown", error=result.error.removeprefix("backend-"))
