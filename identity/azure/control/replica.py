"""Azure's part of a node that decides: the region's copy of roles and resource groups, which asks no other node.

The copy comes with the node's replica of the directory's snapshot, so it never goes backwards and is there again after a kill.
"""

from __future__ import annotations

from typing import Protocol

from brownout.identity.azure.control.decisions import RoleBook
from brownout.identity.azure.control.directory import VENDOR
from brownout.identity.azure.control.seed import first_identities_group
from brownout.identity.azure.control.tables import NO_RECORDS, ControlTables
from brownout.identity.azure.records import RoleAssignment
from brownout.identity.core.annex import Annex
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.replication.replica import Replica
from brownout.identity.core.topology import StackSpec


class ReplicaNode(Protocol):
    """A node that keeps a replica of the directory's snapshot."""

    stack: StackSpec
    ports: Ports
    replica: Replica


class AzureReplica(Annex):
    """Roles and resource groups on one management or vault node."""

    vendor = VENDOR

    def __init__(self, node: ReplicaNode) -> None:
        self.node = node
        self._read: Json | None = None  # what the tables were read from
        self._tables = NO_RECORDS
        self._book = RoleBook(NO_RECORDS, node.stack.tenant_id)
        self._first = frozenset(identity.object_id for identity in node.stack.identities)
        self._first_group = first_identities_group(node.stack)

    @property
    def tables(self) -> ControlTables:
        """The newest records that were published; none before the first snapshot."""
        self._follow()
        return self._tables

    @property
    def book(self) -> RoleBook:
        """The newest role assignments that were published."""
        self._follow()
        return self._book

    def _follow(self) -> None:
        part = self.node.replica.snapshot.parts.get(VENDOR)
        if part is not None and part is not self._read:
            self._read = part
            self._tables = ControlTables.from_json(part["records"])
            self._book = RoleBook(self._tables, self.node.stack.tenant_id)

    def principals(self, object_id: str) -> tuple[str, ...]:
        """The principals whose roles count for an identity or a person: itself, and the groups that it is in."""
        return (object_id, self._first_group) if object_id in self._first else (object_id,)

    def decide(self, object_id: str, action: str, scope: str, *, data: bool = False) -> bool:
        """True when the principal may do `action`, or with `data` the data action, to the resource or scope `scope`.

        Roles count at their scope and below it, as the region has them by now; a deleted identity has none.
        """
        if self.node.replica.is_deleted(object_id):
            return False
        return self.book.decide(self.principals(object_id), action, scope, data=data)

    def state(self) -> Json:
        return {"role_assignments": len(self.tables.table(RoleAssignment))}
