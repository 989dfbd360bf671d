"""The management node: the front end of the control plane for identities and machines (claim C6: every portal uses it too).

It changes identities through an IdentityWriter and machines through Machines. Lists and reads come from the replica.
"""

from __future__ import annotations

from brownout.identity.core.nodes.machines import Machines
from brownout.identity.core.nodes.reader import Reader
from brownout.identity.core.nodes.writer import IdentityWriter
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.topology import MANAGEMENT, NodeSpec


class Management(Reader):
    """One region's management node."""

    role = MANAGEMENT

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.identities = IdentityWriter(self)
        self.machines = Machines(self, self.identities)

    def take_up(self, kind: str, name: str, record: Json) -> None:
        super().take_up(kind, name, record)
        if kind == "machine":
            self.machines.take_up(name, record)
        elif kind == "resource":
            self.identities.take_up(record)

    def knows(self, object_id: str) -> bool:
        return super().knows(object_id) or self.identities.wrote(object_id)
