"""Azure's part of the directory: custom roles, role assignments and resource groups, durable and published.

They are published with the directory's own snapshots (brownout.identity.core.nodes.publisher), to the nodes that decide by
them. So what holds for identities holds for them: a constant rate, versions that only grow, replicas that give them back to a
directory that has lost its disk. Each change is one durable row; a deleted record leaves a row that says so, so that what the
stack came up with does not come back.
"""

from __future__ import annotations

from brownout.identity.azure.control.conflicts import conflict
from brownout.identity.azure.control.seed import initial_records
from brownout.identity.azure.control.tables import NO_RECORDS, ControlChange, ControlTables
from brownout.identity.azure.entra.registrations import Registrations
from brownout.identity.azure.records import CONTROL_KINDS, ControlRecord
from brownout.identity.core.annex import Annex
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import read_as
from brownout.identity.core.nodes.directory import Directory
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import MANAGEMENT, VAULT

VENDOR = "azure"
CHANGE_PAGE, RECORD_PAGE = "/change", "/record"  # below /_brownout/azure
READERS = (MANAGEMENT, VAULT)  # the roles that decide by these records


class AzureDirectory(Annex):
    """The control records of one stack."""

    vendor = VENDOR

    def __init__(self, node: Directory) -> None:
        self._node = node
        self._rows: dict[tuple[str, str], ControlRecord | None] = {}  # found on the disk
        self._since: set[tuple[str, str]] = set()  # those that were changed in this life
        self.tables: ControlTables = NO_RECORDS  # durable, and published
        self._accepted = NO_RECORDS  # with what is on its way to the disk
        self._published: tuple[ControlTables, Json] | None = None
        self._registrations = Registrations(node)
        node.catalog.add_part(VENDOR, self)

    def take_up(self, name: str, record: Json) -> None:
        kind, _, key = name.partition(":")
        known = record.get("record")
        self._rows[kind, key] = None if known is None else CONTROL_KINDS[kind].from_json(known)

    async def start(self) -> None:
        """What an earlier life kept, over what a stack comes up with."""
        self._settle(ControlTables.of(initial_records(self._node.stack)))

    def _settle(self, tables: ControlTables) -> None:
        for (kind, key), record in self._rows.items():
            tables = tables.changed(kind, key, record)
        self.tables = self._accepted = tables

    def state(self) -> Json:
        return {kind: len(self.tables.table(known)) for kind, known in CONTROL_KINDS.items()}

    def published(self, role: str) -> Json | None:
        if role not in READERS:
            return None
        if self._published is None or self._published[0] is not self.tables:
            self._published = self.tables, {"records": self.tables.to_json()}
        return self._published[1]

    async def learn(self, lost: Json) -> None:
        """Takes over what was published before the disk was lost or replaced; what was changed since is newer."""
        found = ControlTables.from_json(lost["records"])
        gone = [record for record in self.tables if found.find(type(record), record.key) is None]
        learned: dict[tuple[str, str], ControlRecord | None] = {(each.KIND, each.key): None for each in gone}
        learned |= {(each.KIND, each.key): each for each in found}
        for place, record in learned.items():
            if place not in self._since:
                await self._keep(place, record)
        self._settle(found)

    async def _keep(self, place: tuple[str, str], record: ControlRecord | None) -> None:
        row = {"record": None if record is None else record.to_json()}
        await self._node.ports.persist(f"{VENDOR}:{place[0]}:{place[1]}", row)
        self._rows[place] = record

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == CHANGE_PAGE and request.method == "POST":
            return Served(await self._change(read_as(ControlChange.from_json, request)), self._node.hop())
        if path == RECORD_PAGE and request.method == "GET":
            kind = CONTROL_KINDS[request.query["kind"]]
            found = self.tables.find(kind, request.query["key"])
            return Served(Response(200, {"record": None if found is None else found.to_json()}), self._node.hop())
        return None

    async def _change(self, change: ControlChange) -> Response:
        """Keeps a record, or none under its key, unless it is at odds with another; the answer has the version."""
        before = self._accepted.find(CONTROL_KINDS[change.kind], change.key)
        refused = conflict(self._accepted, before, change.record)
        if refused is not None:
            return refused
        if before != change.record:
            self._accepted = self._accepted.changed(change.kind, change.key, change.record)
            self._since.add((change.kind, change.key))
            await self._keep((change.kind, change.key), change.record)
            await self._node.catalog.reserve()  # so that what follows is one step: a version has one content
            self.tables = self.tables.changed(change.kind, change.key, change.record)
            await self._node.catalog.next_version()
        return Response(200, {"version": self._node.catalog.version, "existed": before is not None})

    async def control(self, request: Request, path: str) -> Response | None:
        return await self._registrations.control(request, path)
