"""The management node: the front end of the control plane for identities and machines (claim C6: every portal uses it too).

It changes identities through an IdentityWriter and machines through Machines. Lists and reads come from the replica.

Clients may ask any region's front end for anything. An identity is known everywhere, through the replicas; a machine is
known in its own region only. What is another region's business is *relayed* to the front end there, which relays no further.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import ClassVar

from brownout.identity.core import trail
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.nodes.assigned.attachments import Attachments
from brownout.identity.core.nodes.machines import Machines
from brownout.identity.core.nodes.reader import Reader
from brownout.identity.core.nodes.writer import IdentityWriter
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import MANAGEMENT, NodeSpec

RELAY = "/relay"
RELAYED = ("host", "if-match", "if-none-match")  # headers of a client that the other front end needs
RETURNED = ("azure-asyncoperation", "location", "retry-after")  # and those of its answer
RELAY_PATIENCE = 4.0  # the other front end calls its store, the directory and its host before it answers


class Management(Reader):
    """One region's management node. `serve_relayed` is what its surface does with a request that was relayed to it."""

    role = MANAGEMENT
    pages: ClassVar[tuple[str, ...]] = ("snapshot", "relay")
    worked_pages = ("relay",)

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.identities = IdentityWriter(self)
        self.machines = Machines(self, self.identities)
        Attachments(self, self.machines, self.identities)
        self.serve_relayed: Callable[[Request], Awaitable[Served]] | None = None

    def take_up(self, kind: str, name: str, record: Json) -> None:
        super().take_up(kind, name, record)
        if kind == "machine":
            self.machines.take_up(name, record)
        elif kind == "resource":
            self.identities.take_up(record)

    def knows(self, object_id: str) -> bool:
        return super().knows(object_id) or self.identities.wrote(object_id)

    def others(self) -> tuple[str, ...]:
        """The regions of the other front ends."""
        return tuple(region for region in self.stack.regions if region != self.region)

    async def serve(self, request: Request, path: str) -> Served | None:
        if path.startswith(f"{RELAY}/") and self.serve_relayed is not None:
            inner = path.removeprefix(RELAY)
            return await self.serve_relayed(
                Request(request.method, inner, request.query, _named(request.headers, RELAYED), request.body)
            )
        return await super().serve(request, path)

    async def relay(self, region: str, request: Request) -> Served:
        """What the front end of `region` answers to a client whom this one has let in; 503 `unreachable` without an answer."""
        assert region != self.region, "a front end answers for its own region itself"
        inner = self.internal(request.method, RELAY + request.path, request.body, request.query)
        inner = inner.with_headers(_named(request.headers, RELAYED))
        try:
            answer = await self.ports.call(f"{region}.{MANAGEMENT}", inner, timeout_s=RELAY_PATIENCE * self.call_timeout_s)
        except CallFailed as failed:
            return Served(error(503, "unreachable", f"the front end of {region} does not answer: {failed.failure}"), self.hop())
        kept = _named(answer.headers, RETURNED)
        return Served(Response(answer.status, answer.body, kept), self.hop(), trail.of(answer))


def _named(headers: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in names}
