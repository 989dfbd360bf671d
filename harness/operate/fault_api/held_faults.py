"""The faults of one standing stack by name: put in place, shown, and undone, on the way of `brownout inject` and `heal`.

Theory. The ledger is the only memory: a fault's name is what the ledger calls its step, so names outlive this process. What is
put in place is left in place "by hand" with the lease's end as its deadline, at which the stack's guardian undoes it. To put it
again moves the deadline. One name is changed by one request at a time; different names do not wait for each other. While a bite
is awaited this process is the fault's holder, so that its end has the guardian undo what was half done.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import BrownoutError, Halted, LeftUnsafe, NotProven, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.hold_watch import IN_PLACE
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord, StackRecord
from brownout.harness.injection.notices import Notice
from brownout.harness.injection.recovery import Healed, require_whole
from brownout.harness.operate.fault_api.messages import FaultList, FaultOrder, ShownFault
from brownout.harness.operate.fault_api.problems import FaultNameTaken, NoSuchFault, Withdrawn, problem_of
from brownout.harness.operate.fault_api.shown import not_in_ledger, shown
from brownout.harness.operate.fault_args import named_fault
from brownout.harness.operate.heal import heal_by_hand
from brownout.harness.operate.inject import HEAL_AGAIN, Injection, InjectRequest, InjectResult, Remaining, opened

log = logging.getLogger("brownout.fault-api")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FAILED_MAX = 256  # how many failures are remembered, for clients that ask for them later


@dataclass(slots=True)
class Named:
    """What goes on under one name. `users` are requests that work with it or wait for their turn."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    order: FaultOrder | None = None
    injection: Injection | None = None
    withdrawn: bool = False

    def withdraw(self) -> None:
        """Ends the wait for a bite; what was put in place is then undone."""
        self.withdrawn = True
        if self.injection is not None:
            self.injection.interrupt()


class HeldFaults:
    """The faults of the stack `row`. Used by one event loop."""

    def __init__(self, row: StackRecord) -> None:
        self.row = row
        self._named: dict[str, Named] = {}
        self._failed: OrderedDict[str, tuple[FaultOrder, BrownoutError]] = OrderedDict()
        self._later: set[asyncio.Task[None]] = set()

    async def put(self, name: str, order: FaultOrder) -> tuple[ShownFault, bool]:
        """Puts the fault in place and returns once it is seen to bite, or renews its lease; whether it was put in place now.

        Raises BrownoutError, with the fault undone: NotProven where no bite was seen.
        """
        asked, name = name, self._key(name)
        fault = wanted(order)
        with self._using(name) as named:
            named.order = order
            async with named.turn:
                self._failed.pop(name, None)
                named.withdrawn = False
                try:
                    renewed = self._renewed(asked, order, fault)
                    return (renewed, False) if renewed is not None else (await self._inject(name, named, order, fault), True)
                except BrownoutError as error:
                    self._note(name, order, error)
                    raise

    def put_later(self, name: str, order: FaultOrder) -> ShownFault:
        """Begins to put the fault in place; `show` tells what became of it. Raises UsageError for a wrong order."""
        name = self._key(name)
        wanted(order)
        self._failed.pop(name, None)
        self._join(name).order = order  # before the task begins, so that `show` knows it from now on
        task = asyncio.ensure_future(self._put_quietly(name, order))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return not_in_ledger(name, order)

    async def _put_quietly(self, name: str, order: FaultOrder) -> None:
        try:
            await self.put(name, order)
        except BrownoutError as error:
            self._note(name, order, error)
        except Exception as error:  # no caller awaits this task: what went wrong is told by `show`
            log.exception("%s was not put in place", name)
            self._note(name, order, BrownoutError(f"{type(error).__name__}: {error}", hint="the API's log has more"))
        finally:
            self._leave(name)

    def show(self, name: str) -> ShownFault:
        """The fault of that name or id, also one that has ended; raises NoSuchFault."""
        with Ledger(ledger_path()) as ledger:
            record = self._find(ledger, name)
            key = name if record is None else record.step
            named = self._named.get(key)
            if key in self._failed and (record is None or not record.open):
                order, error = self._failed[key]
                found = not_in_ledger(key, order) if record is None else shown(ledger, record)
                return found.model_copy(update={"state": "failed", "evidence": error.message, "problem": problem_of(error)})
            if named is not None and named.order is not None and (record is None or not record.open):
                return not_in_ledger(key, named.order)
            if record is None:
                raise NoSuchFault(f"stack {self.row.id} has no fault {name!r}", hint="GET /faults lists those in place")
            return shown(ledger, record)

    def all(self) -> FaultList:
        """Those that may be in place."""
        with Ledger(ledger_path()) as ledger:
            found = tuple(shown(ledger, record) for record in ledger.open_faults(self.row.id))
        return FaultList(stack=self.row.id, faults=found)

    async def heal(self, name: str) -> ShownFault:
        """Undoes the fault of that name or id and looks for the heal; may run twice. Raises NoSuchFault, LeftUnsafe."""
        with Ledger(ledger_path()) as ledger:
            record = self._find(ledger, name)
        key = name if record is None else record.step
        if record is None and key not in self._named and key not in self._failed:
            raise NoSuchFault(f"stack {self.row.id} has no fault {name!r}", hint="GET /faults lists those in place")
        with self._using(key) as named:
            named.withdraw()
            async with named.turn:
                self._failed.pop(key, None)
                return await self._heal_found(name, key)

    async def _heal_found(self, name: str, key: str) -> ShownFault:
        with Ledger(ledger_path()) as ledger:
            record = self._find(ledger, name)
            if record is None:
                raise NoSuchFault(f"the fault {name!r} was never put in place")
            healed: tuple[Healed, ...] = ()
            if record.open:
                healed = await asyncio.to_thread(heal_by_hand, record.id, self.row.id)
                require_whole(healed)
            took_s = next((one.took_s[record.id] for one in healed if record.id in one.took_s), None)
            lost = next((one.lost[record.id] for one in healed if record.id in one.lost), None)
            heal_ms = None if took_s is None else round(1000 * took_s, 1)
            return shown(ledger, ledger.fault(record.id)).model_copy(update={"heal_ms": heal_ms, "lost": lost})

    async def heal_all(self) -> FaultList:
        """Undoes all faults of the stack, and returns those that were in place, undone. Raises LeftUnsafe."""
        for named in self._named.values():
            named.withdraw()
        for named in tuple(self._named.values()):
            async with named.turn:
                self._failed.clear()
        with Ledger(ledger_path()) as ledger:
            before = ledger.open_faults(self.row.id)
            require_whole(await asyncio.to_thread(heal_by_hand, "", self.row.id))
            found = tuple(shown(ledger, ledger.fault(record.id)) for record in before)
        return FaultList(stack=self.row.id, faults=found)

    def _key(self, name: str) -> str:
        """The name of a fault to put: `name`, or that of the open fault of this id. Raises UsageError."""
        with Ledger(ledger_path()) as ledger:
            record = next((one for one in ledger.open_faults(self.row.id) if one.id == name), None)
        if record is not None:
            return record.step
        if not NAME.fullmatch(name) or name.startswith(f"{self.row.id}-"):
            hint = "letters, digits, `.`, `_` and `-`, 64 at most, and not the beginning of an id"
            raise UsageError(f"{name!r} cannot be a fault's name", hint=hint)
        return name

    @contextmanager
    def _using(self, name: str) -> Iterator[Named]:
        try:
            yield self._join(name)
        finally:
            self._leave(name)

    def _join(self, name: str) -> Named:
        named = self._named.setdefault(name, Named())
        named.users += 1
        return named

    def _leave(self, name: str) -> None:
        named = self._named[name]
        named.users -= 1
        if not named.users:
            del self._named[name]

    def _note(self, name: str, order: FaultOrder, error: BrownoutError) -> None:
        self._failed[name] = (order, error)
        while len(self._failed) > FAILED_MAX:
            self._failed.popitem(last=False)

    def _find(self, ledger: Ledger, name: str) -> FaultRecord | None:
        """The fault of that id, else the open one of that name, else the last one. Raises FaultNameTaken where two are open."""
        records = [one for one in ledger.faults(self.row.id) if name in (one.id, one.step)]
        exact = [one for one in records if one.id == name]
        found = exact or [one for one in records if one.open]
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise FaultNameTaken(f"several faults are called {name!r}", hint=f"use an id in place of the name: {ids}")
        return found[0] if found else (records[-1] if records else None)

    def _renewed(self, name: str, order: FaultOrder, fault: Fault) -> ShownFault | None:
        """The fault with a new lease where it is in place; None where there is none. Raises FaultNameTaken, Halted."""
        with Ledger(ledger_path()) as ledger:
            ledger.require_lifted()
            record = self._find(ledger, name)
            if record is None or not record.open:
                return None
            if (record.kind, record.params) != (fault.kind, fault.model_dump(mode="json")):
                there = shown(ledger, record).describe
                hint = "DELETE that one first, or choose another name"
                raise FaultNameTaken(f"another fault is called {record.step!r}: {there}", hint=hint)
            if not record.by_hand and record.state in IN_PLACE:
                raise FaultNameTaken(f"{record.id} is held by another process", hint="choose another name")
            kept = ledger.keep_until(record.id, time.monotonic() + order.lease_ttl_s, by_hand=True)
            if kept.state not in IN_PLACE:
                hint = "ask again when it is undone; DELETE tries to undo it once more"
                raise FaultNameTaken(f"{record.id} is being undone: {kept.state}", hint=hint)
            return shown(ledger, kept)

    async def _inject(self, name: str, named: Named, order: FaultOrder, fault: Fault) -> ShownFault:
        request = InjectRequest(fault, keep=order.keep, at_once=order.at_once, name=name, leave_s=order.lease_ttl_s)
        async with opened(self.row, request, _log_notice) as injection:
            named.injection = injection
            try:
                if named.withdrawn:
                    raise Withdrawn(f"{name} was deleted before it was put in place")
                ended = await injection.carry_out()
            finally:
                named.injection = None
        _require_left(name, fault, ended)
        with Ledger(ledger_path()) as ledger:
            return shown(ledger, ledger.fault(ended.fault_id)).model_copy(update={"bite_ms": ended.bite_ms})


def wanted(order: FaultOrder) -> Fault:
    """The fault that is ordered, an installed one; raises UsageError. Files of faults are code, which no request may name."""
    if order.fault not in plugins.faults():
        raise plugins.unknown_fault(order.fault)
    return named_fault(order.fault, order.target, order.parameters)


def _log_notice(notice: Notice | Remaining) -> None:
    log.info("%s", notice)


def _require_left(name: str, fault: Fault, ended: InjectResult) -> None:
    """Raises what kept the fault from being left in place."""
    if ended.heal is not None and ended.heal.state == "stuck":
        raise LeftUnsafe(f"{ended.fault_id} could not be reverted: {ended.heal.evidence}", hint=HEAL_AGAIN)
    match ended.ended:
        case "left":
            return
        case "interrupted":
            raise Withdrawn(f"{name} was deleted before its bite was seen", hint="it is undone")
        case "halted":
            raise Halted("everything was halted meanwhile, and the fault is undone")
        case "defended":
            raise NotProven(fault.kind, f"the system refused it: {ended.evidence}")
        case "elsewhere":
            raise NotProven(fault.kind, "another process undid it while its bite was awaited")
        case _:
            raise NotProven(fault.kind, f"no bite was seen: {ended.evidence}")
