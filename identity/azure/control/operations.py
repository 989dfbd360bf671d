"""Asynchronous operations of ARM on the front end that began them, durable before a client hears of one.

So a client that polls after a kill is told what is true. An operation ends when its work does, and not before `ends_s`.
Wire facts: docs/reference/azure-wire.md#arm-asynchronous-operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from brownout.identity.azure.errors import iso_time
from brownout.identity.core.ports import Ports
from brownout.identity.formed import FormedRecord

KEPT = 4096  # operations that a front end remembers; older ones are forgotten


@dataclass(frozen=True, slots=True)
class ArmOperation(FormedRecord):
    """One operation. `status` is how its work stands; `target` is the path of what it works on."""

    operation_id: str
    kind: str  # "machine": its work is over; "group": a group's deletion, which goes on
    target: str
    started_s: float
    ends_s: float
    status: str = "Succeeded"
    error_code: str = ""
    error_text: str = ""
    verb: str = "Updating"  # what its target is said to be doing meanwhile

    def status_at(self, now_s: float) -> str:
        """What a client is told: the end is shown when its time has come."""
        return self.status if now_s >= self.ends_s else "InProgress"

    def shown(self, now_s: float) -> dict[str, Any]:
        """The operation as clients poll it."""
        status = self.status_at(now_s)
        told: dict[str, Any] = {"name": self.operation_id, "status": status, "startTime": iso_time(self.started_s)}
        if status != "InProgress":
            told["endTime"] = iso_time(self.ends_s)
        if status == "Failed":
            told["error"] = {"code": self.error_code, "message": self.error_text}
        return told


class Operations:
    """The operations of one front end, below `prefix` among its durable records."""

    def __init__(self, ports: Ports, prefix: str) -> None:
        self._ports, self._prefix = ports, prefix
        self._known: dict[str, ArmOperation] = {}  # oldest first
        self._at_work: dict[str, ArmOperation] = {}  # those of them whose work goes on
        self._newest: dict[str, str] = {}  # by target in lower case

    def take_up(self, operation: ArmOperation) -> None:
        """Takes up one that an earlier life kept."""
        self._known[operation.operation_id] = operation

    def start(self) -> None:
        """Puts what was taken up into order."""
        self._known = {each.operation_id: each for each in sorted(self._known.values(), key=lambda each: each.started_s)}
        self._at_work = {each.operation_id: each for each in self._known.values() if each.status == "InProgress"}
        self._newest = {each.target.lower(): each.operation_id for each in self._known.values()}

    def find(self, operation_id: str) -> ArmOperation | None:
        return self._known.get(operation_id)

    def state_of(self, target: str) -> str:
        """The provisioning state of a resource at this moment, by the newest operation on it."""
        newest = self._known.get(self._newest.get(target.lower(), ""))
        if newest is None:
            return "Succeeded"
        status = newest.status_at(self._ports.now())
        return newest.verb if status == "InProgress" else status

    def at_work(self, kind: str) -> tuple[ArmOperation, ...]:
        """Operations whose work goes on, oldest first."""
        return tuple(each for each in self._at_work.values() if each.kind == kind)

    async def keep(self, operation: ArmOperation) -> ArmOperation:
        """Makes an operation durable as it is now."""
        await self._ports.persist(f"{self._prefix}{operation.operation_id}", operation.to_json())
        self._known[operation.operation_id] = operation
        if operation.status == "InProgress":
            self._at_work[operation.operation_id] = operation
        else:
            self._at_work.pop(operation.operation_id, None)
        assert self._at_work.keys() <= self._known.keys(), "what goes on is never forgotten"
        self._newest[operation.target.lower()] = operation.operation_id
        excess = len(self._known) - KEPT
        over = [each for each in self._known.values() if each.status != "InProgress"][:excess] if excess > 0 else ()
        for old in over:
            del self._known[old.operation_id]
            if self._newest.get(old.target.lower()) == old.operation_id:
                del self._newest[old.target.lower()]
            await self._ports.persist(f"{self._prefix}{old.operation_id}", None)
        return operation

    async def end(self, operation: ArmOperation, code: str = "", text: str = "") -> ArmOperation:
        """Ends an operation now: as failed with a code, else as succeeded."""
        status = "Failed" if code else "Succeeded"
        return await self.keep(replace(operation, status=status, ends_s=self._ports.now(), error_code=code, error_text=text))
