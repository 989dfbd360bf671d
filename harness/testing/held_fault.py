"""A fault for the time of a `with` block: proven to bite before the block begins, reverted and proven to be healed after it.

It is a fault like any other: in the ledger before it touches anything, with the stack's guardian behind it. A test process that
is killed inside the block leaves the undo to the guardian.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, Self

from brownout.harness.errors import LeftUnsafe, NotProven
from brownout.harness.fault import Fault
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.outcomes import Applied, Reverted


class Submit(Protocol):
    """Begins work in the loop that the stack lives in."""

    def __call__(self, work: Coroutine[Any, Any, Any], /) -> Future[Any]: ...


class HeldFault:
    """One use of a fault, for `with` and `async with` alike. `evidence` is what proved the bite."""

    def __init__(self, life: Callable[[], LifeCycle], submit: Submit, fault: Fault) -> None:
        self.fault = fault
        self._life, self._submit = life, submit
        self._applied: Applied | None = None
        self._reverts: LifeCycle

    @property
    def evidence(self) -> str:
        assert self._applied is not None, "the block has not begun"
        return self._applied.evidence

    @property
    def took_s(self) -> float:
        """Seconds from just before the apply to the look that proved the bite."""
        assert self._applied is not None, "the block has not begun"
        assert self._applied.took_s is not None
        return self._applied.took_s

    def __enter__(self) -> Self:
        self._submit(self._begin()).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        self._require(self._submit(self._end()).result(), raised)

    async def __aenter__(self) -> Self:
        await asyncio.shield(asyncio.wrap_future(self._submit(self._begin())))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._require(await asyncio.shield(asyncio.wrap_future(self._submit(self._end()))), raised)

    async def _begin(self) -> None:
        """Injects; raises NotProven, with the fault undone, unless it bites."""
        life = self._life()
        applied = await life.inject(self.fault.kind, self.fault)
        if applied.state == "defended":
            raise NotProven(self.fault.kind, f"the system refused it: {applied.evidence}")
        if applied.state != "bitten":
            _require_undone(await life.revert(applied.fault_id))
            raise NotProven(self.fault.kind, f"no bite was seen: {applied.evidence}")
        record = life.ledger.fault(applied.fault_id)
        life.watch.begin(record, self.fault, until_s=life.world.now(), bitten=True, look_s=applied.look_s)
        self._applied, self._reverts = applied, life

    async def _end(self) -> tuple[Reverted, str]:
        """The undo, and how the hold was lost before it; "" when it was there until then."""
        assert self._applied is not None
        life, fault_id = self._reverts, self._applied.fault_id
        undone = "" if life.ledger.fault(fault_id).in_place else "it was undone before, as by a reset of the stack"
        reverted = await life.revert(fault_id)
        if reverted.state != "stuck":
            await life.retry_stuck()  # a block that ended before may have waited for this one
        lost = life.watch.lost.get(fault_id)
        return reverted, lost.evidence if lost is not None else undone

    def _require(self, ended: tuple[Reverted, str], raised: BaseException | None) -> None:
        """Raises LeftUnsafe for what could not be undone; NotProven for an unproven hold or heal, unless the block raised."""
        reverted, lost = ended
        _require_undone(reverted)
        if raised is not None:
            return
        if lost:
            raise NotProven(self.fault.kind, f"it was not in force until the end of the block: {lost}")
        if reverted.state != "healed":
            raise NotProven(self.fault.kind, f"no heal was seen ({reverted.state}): {reverted.evidence}")


def _require_undone(reverted: Reverted) -> None:
    if reverted.state == "stuck":
        hint = "`brownout heal` tries again; the end of the stack takes it away"
        raise LeftUnsafe(f"{reverted.fault_id} could not be reverted: {reverted.evidence}", hint=hint)
