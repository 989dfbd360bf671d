"""Azure's part of a management node: the region's copy, what this front end has changed since, and its operations.

Changes go to the directory. What was changed here is shown here at once; every node decides by what was published
(`AzureReplica.decide`), this front end too, so a new role takes as long to count as in the real service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from brownout.identity.azure.control.directory import CHANGE_PAGE, RECORD_PAGE, VENDOR
from brownout.identity.azure.control.operations import ArmOperation, Operations
from brownout.identity.azure.control.replica import AzureReplica
from brownout.identity.azure.control.tables import ControlChange, ControlTables
from brownout.identity.azure.records import CONTROL_KINDS, ControlRecord
from brownout.identity.core.messages import Response
from brownout.identity.core.nodes.management import Management
from brownout.identity.core.records import Json

OWN, OPERATION = "own:", "operation:"
ROUND_S = 30.0  # between two looks at work that no client polls
R = TypeVar("R", bound=ControlRecord)


class ControlUnavailable(Exception):
    """The directory, which alone can say, does not answer."""


@dataclass(frozen=True, slots=True)
class _OwnChange:
    """A change that the directory took from this front end, with its version."""

    version: int
    record: ControlRecord | None


class AzureDesk(AzureReplica):
    """Control records as one front end knows and changes them."""

    def __init__(self, node: Management) -> None:
        super().__init__(node)
        self.front_end = node
        self.operations = Operations(node.ports, f"{VENDOR}:{OPERATION}")
        self.workers: list[Callable[[], Awaitable[None]]] = []
        self._own: dict[tuple[str, str], _OwnChange] = {}

    def take_up(self, name: str, record: Json) -> None:
        if name.startswith(OPERATION):
            self.operations.take_up(ArmOperation.from_json(record))
        elif name.startswith(OWN):
            change = ControlChange.from_json(record)
            self._own[change.kind, change.key] = _OwnChange(int(record["version"]), change.record)

    async def start(self) -> None:
        self.operations.start()

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._work_for_ever(),)

    async def _work_for_ever(self) -> None:
        while True:
            await self.front_end.ports.sleep(ROUND_S)
            for work in self.workers:
                await work()

    def _newer(self) -> dict[tuple[str, str], _OwnChange]:
        """Changes of our own that the replica does not show yet."""
        version = self.node.replica.version
        return {place: own for place, own in self._own.items() if own.version > version}

    def view(self) -> ControlTables:
        """The records as this front end knows them: what was published, and its own changes since."""
        tables = self.tables
        for (kind, key), own in self._newer().items():
            tables = tables.changed(kind, key, own.record)
        return tables

    async def find(self, kind: type[R], key: str) -> R | None:
        """The record of that key; the directory is asked for one that is not known here.

        Raises ControlUnavailable where it does not answer.
        """
        own = self._own.get((kind.KIND, key.lower()))
        if own is not None and own.version > self.node.replica.version:
            return own.record if isinstance(own.record, kind) else None
        known = self.tables.find(kind, key)
        if known is not None:
            return known
        request = self.front_end.internal("GET", f"/{VENDOR}{RECORD_PAGE}", query={"kind": kind.KIND, "key": key})
        answer = await self.front_end.ask_directory(request)
        if not answer.ok:
            raise ControlUnavailable
        raw = (answer.body or {}).get("record")
        return None if raw is None else kind.from_json(raw)

    async def put(self, record: ControlRecord) -> Response:
        """Has the directory keep a record: 200 with `existed`, or its refusal. Raises ControlUnavailable without an answer."""
        return await self._change(ControlChange(record.KIND, record.key, record))

    async def remove(self, record: ControlRecord) -> Response:
        """Has the directory drop a record: 200, or its refusal. Raises ControlUnavailable without an answer."""
        return await self._change(ControlChange(record.KIND, record.key, None))

    async def _change(self, change: ControlChange) -> Response:
        assert change.kind in CONTROL_KINDS, change.kind
        request = self.front_end.internal("POST", f"/{VENDOR}{CHANGE_PAGE}", change.to_json())
        answer = await self.front_end.ask_directory(request)
        if answer.status >= 500:
            raise ControlUnavailable
        if answer.ok:
            await self._remember(change, int((answer.body or {})["version"]))
        return answer

    async def _remember(self, change: ControlChange, version: int) -> None:
        """Keeps a change of our own, and forgets those that the replica has."""
        newer = self._newer()
        for kind, key in [place for place in self._own if place not in newer]:
            await self.front_end.ports.persist(f"{VENDOR}:{OWN}{kind}:{key}", None)
            self._own.pop((kind, key), None)
        row = change.to_json() | {"version": version}
        await self.front_end.ports.persist(f"{VENDOR}:{OWN}{change.kind}:{change.key}", row)
        self._own[change.kind, change.key] = _OwnChange(version, change.record)
