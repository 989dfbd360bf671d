"""A fault by hand: one command puts it on a standing stack, and takes it away again or leaves it to a later one.

The life cycle is that of every fault (harness.lifecycle), the ledger the same. What is different is who keeps it. While the
command is in the foreground it does, and its death is enough for the guardian to revert at once. When it leaves the fault
in place, nobody does, and the deadline in the ledger ends it: the guardian then, or else the next command.

An interrupt must not cut an apply in two, for what is under way could arrive after the undo. So the first one waits for
the apply to end and only then ends the looking or the holding; the second leaves at once, and the guardian does the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from brownout.harness.base.statedir import ledger_path
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.lease import Owner
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.lifecycle import PATIENCE_S, Applied, LifeCycle, Reverted
from brownout.harness.injection.recovery import attach_world
from brownout.harness.injection.standing_guardian import Claim, ensure_guardian
from brownout.harness.world import World
from brownout.harness.worlds.catalog import check_able

LONGEST_S = 3600.0
INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK_S = 0.2

Ended = Literal["left", "time", "interrupted", "elsewhere", "no-bite", "defended"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done: `hold_s` seconds in the foreground, or left in place; `keep` also keeps what did not bite."""

    fault: Fault
    hold_s: float | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Injected:
    """What became of it. `waited_s`: how long a bite was awaited. `until_s`: wall clock; when a fault left in place ends."""

    fault_id: str
    state: str
    evidence: str
    ended: Ended
    bite_ms: float | None = None
    waited_s: float = 0.0
    foreign: tuple[str, ...] = ()
    until_s: float | None = None
    heal: Reverted | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How the command hears of what happens: every notice of the life cycle, and how many seconds are left while it holds.

    A notice's detail has `settles_s` too: real seconds that the effect may take to show or to go.
    """

    step: Callable[[str, Mapping[str, Any]], None]
    left: Callable[[float], None]


async def open_world(row: StackRecord, fault: Fault) -> World:
    """The stack's world, once it is clear that the fault can be done to it; raises UsageError, AbilityMissing, StackGone."""
    world = await attach_world(row)
    check_able(fault.kind, fault.needs, world.name)
    fault.carriers(world.spec)
    return world


def inject(row: StackRecord, wish: Wish, told: Told) -> Injected:
    """Puts the fault on the stack and does what was wished; raises BrownoutError with everything undone.

    When it returns, the fault is gone, or left in place (`ended` is `left`), or could not be undone (`heal` is `stuck`).
    """
    return asyncio.run(_inject(row, wish, told))


async def _inject(row: StackRecord, wish: Wish, told: Told) -> Injected:
    world = await open_world(row, wish.fault)
    with Ledger(ledger_path()) as ledger, Claim(row.folder):
        await asyncio.to_thread(ensure_guardian, row, ledger_path())
        hand = _Hand(ledger, world, row, wish, told)
        with hand.interruptible():
            return await hand.carry_out()


@dataclass(slots=True)
class _Hand:
    """One wish being carried out."""

    ledger: Ledger
    world: World
    row: StackRecord
    wish: Wish
    told: Told
    life: LifeCycle = field(init=False)
    _fault_id: str = ""
    _stop: bool = False
    _in_place: bool = False
    _applying: asyncio.Task[Applied] | None = None

    def __post_init__(self) -> None:
        self.life = LifeCycle(self.world, self.ledger, self.row.id, self._notice, make=plugins.fault, holder=Owner.me())

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        heard = [number for number in INTERRUPTS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
        for number in heard:
            loop.add_signal_handler(number, self._interrupt)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self._stop:
            with suppress(OSError):
                os.write(2, b"\nleft at once; the guardian reverts it\n")
            os._exit(INTERRUPTED)
        self._stop = True
        self._end_looking()

    def _end_looking(self) -> None:
        if self._stop and self._in_place and self._applying is not None:
            self._applying.cancel()

    def _notice(self, what: str, step: str, detail: Mapping[str, Any]) -> None:
        if what == "intended":
            self._fault_id = str(detail["fault_id"])
        self._in_place = self._in_place or what == "applied"
        settles_s = self.wish.fault.settles_s(self.world.spec) / self.world.rate
        self.told.step(what, {**detail, "settles_s": settles_s})
        self._end_looking()

    async def carry_out(self) -> Injected:
        began_s = time.monotonic()
        applied = await self._apply()
        waited_s = time.monotonic() - began_s
        if applied is None:
            return await self._undone("interrupted", "applied", "interrupted before a bite was seen", waited_s)
        if applied.state == "defended":
            return Injected(applied.fault_id, applied.state, applied.evidence, "defended", foreign=applied.foreign)
        ended: Ended
        if applied.state == "applied" and not self.wish.keep:
            ended = "no-bite"
        elif self.wish.hold_s is None and not self._stop:
            return self._leave(applied, waited_s)
        else:
            ended = await self._hold(self.wish.hold_s or 0.0)
        return await self._undone(ended, applied.state, applied.evidence, waited_s, applied)

    async def _apply(self) -> Applied | None:
        """Applies and awaits the bite; None when the wait was interrupted. Raises BrownoutError with everything undone."""
        fault = self.wish.fault
        until_s = (
            self.world.now() + PATIENCE_S * self.world.rate + fault.settles_s(self.world.spec)
        )  # holding begins thereafter
        self._applying = asyncio.ensure_future(self.life.apply(fault.kind, fault, until_s=until_s))
        try:
            return await self._applying
        except asyncio.CancelledError:
            if not self._stop:
                raise
            return None
        finally:
            self._applying = None

    async def _hold(self, hold_s: float) -> Ended:
        """Keeps the fault until its time is over, somebody interrupts, or somebody else takes it away."""
        end_s = time.monotonic() + hold_s
        self.ledger.keep_until(self._fault_id, end_s, by_hand=False)
        while not self._stop and (left_s := end_s - time.monotonic()) > 0:
            if self.ledger.fault(self._fault_id).state not in ("applied", "bitten"):
                return "elsewhere"
            self.told.left(left_s)
            await asyncio.sleep(min(TICK_S, left_s))
        return "interrupted" if self._stop else "time"

    def _leave(self, applied: Applied, waited_s: float) -> Injected:
        left = self.ledger.keep_until(applied.fault_id, time.monotonic() + LONGEST_S, by_hand=True)
        return Injected(
            applied.fault_id,
            applied.state,
            applied.evidence,
            "left" if left.by_hand else "elsewhere",
            bite_ms=milliseconds(applied.took_s),
            waited_s=waited_s,
            foreign=applied.foreign,
            until_s=time.time() + LONGEST_S if left.by_hand else None,
        )

    async def _undone(
        self, ended: Ended, state: str, evidence: str, waited_s: float, applied: Applied | None = None
    ) -> Injected:
        heal = await self.life.revert(self._fault_id)
        return Injected(
            self._fault_id,
            state,
            evidence,
            ended,
            bite_ms=None if applied is None else milliseconds(applied.took_s),
            waited_s=waited_s,
            foreign=() if applied is None else applied.foreign,
            heal=heal,
        )


def milliseconds(took_s: float | None) -> float | None:
    return None if took_s is None else round(1000 * took_s, 1)
