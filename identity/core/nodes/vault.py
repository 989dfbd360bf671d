"""The vault: a sample protected API that judges tokens with its region's replica alone."""

from __future__ import annotations

from brownout.identity.core.messages import Request
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.replica import Replica
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import VAULT, NodeSpec


class Vault(Node):
    """One region's sample API. Its surfaces decide what a caller must show, and what a secret looks like."""

    role = VAULT
    pages = ("snapshot",)

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.ready = False
        self.replica = Replica()

    def state(self) -> Json:
        return {"replica_version": self.replica.version, "key_ids": list(self.replica.snapshot.key_set)}

    def take_up(self, kind: str, name: str, record: Json) -> None:
        if kind == "replica":
            self.replica.take(record)
            assert self.replica.version > 0, "only what was published is durable"
            self.ready = True

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == "/snapshot" and request.method in ("GET", "PUT"):
            response = await self.replica.serve(request, self.ports)
            ready = self.replica.version > 0
            assert ready or not self.ready, "a vault that has a replica does not lose it"
            self.ready = ready
            return Served(response)
        return None

    def secret(self, name: str) -> str:
        """The secret of that name: each has one."""
        return f"value of {name}"
