"""The doors of the edge: for clients of each region a CONNECT proxy for the stack's names, and ports that need no name.

A client with `HTTPS_PROXY` set to a proxy's door and `AWS_CA_BUNDLE` or `REQUESTS_CA_BUNDLE` to the stack's authority chooses
its endpoint by its own rules, and gets to the stack. The proxy dials links of the stack and nothing else: any other name,
address or port is refused with 403 before anything is looked up. What is wrong with a name shows before TLS begins, as it
would: 502 with the resolver's words, or a reset.

The other doors are for clients that take a base URL. Each leads to the nodes of one role of its region, which take turns by
connection. Most speak TLS with the certificate of the names, which is also good for localhost
(brownout.identity.core.topology.DOOR_KINDS).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping
from functools import partial

from brownout.identity.core import trail
from brownout.identity.core.edge.names import Endpoint
from brownout.identity.core.edge.node import Edge, UnknownName
from brownout.identity.core.topology import DOOR_KINDS, EDGE_NODE
from brownout.identity.server.edge.patience import PeerLimit, patience
from brownout.identity.server.edge.pipe import End, NoWayError, connect, reset
from brownout.identity.server.edge.server_context import server_context
from brownout.identity.server.edge.tls import NO_LIMIT_S, TLS_TIMEOUT_S, TlsListener
from brownout.identity.server.http_protocol import SpawnedTasks
from brownout.identity.server.http_server import BACKLOG
from brownout.identity.server.spec_file import ServedStack

log = logging.getLogger("brownout.identity.server")
HEAD_BYTES_MAX = 16_384
HEAD_TIMEOUT_S = 60.0
HTTPS_PORT = "443"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class RefusedError(Exception):
    """A request to the proxy that gets no way: `status` and a reason phrase, which is all that most clients show."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Doors:
    """The open doors of one edge."""

    def __init__(self, edge: Edge, served: ServedStack) -> None:
        assert served.authority is not None, "an edge has an authority"
        self.edge = edge
        self.addresses = dict(served.addresses_for(EDGE_NODE))
        self.context = server_context(served.authority, edge.names)
        self._servers: list[asyncio.Server | TlsListener] = []
        self.tasks = SpawnedTasks("a connection to the edge was not served")
        self.clients: set[Door] = set()  # those that are connected

    async def open(self, listeners: Mapping[str, socket.socket]) -> None:
        """Serves each door (`proxy.REGION`, `arm.REGION`) on its bound socket."""
        loop = asyncio.get_running_loop()
        for door, listener in listeners.items():
            name, _, region = door.partition(".")
            kind = DOOR_KINDS[name]
            make = partial(RoleDoor, self, Endpoint(kind.role, region)) if kind.role else partial(ProxyDoor, self, region)
            if kind.tls:
                self._servers.append(TlsListener(listener, self.context, make, self.tasks.spawn))
            else:
                self._servers.append(await loop.create_server(make, sock=listener, backlog=BACKLOG))

    def close(self) -> None:
        for server in self._servers:
            server.close()
        self.tasks.cancel()
        for client in tuple(self.clients):
            client.connected.abort()

    async def node(self, nodes: tuple[str, ...]) -> End:
        """A connection to the first of the nodes that takes it; raises NoWayError."""
        return await connect(nodes, self.addresses, self.edge.leave_out)


class Door(End):
    """One client's connection to a door, and in the end one end of a pipe."""

    def __init__(self, doors: Doors) -> None:
        super().__init__()
        self._doors = doors

    @property
    def connected(self) -> asyncio.Transport:
        """The client's connection, which there is when anything is done with it."""
        assert self.transport is not None
        return self.transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._doors.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._doors.clients.discard(self)
        super().connection_lost(error)


class RoleDoor(Door):
    """A connection that goes to one of the nodes of a role in a region."""

    def __init__(self, doors: Doors, endpoint: Endpoint) -> None:
        super().__init__(doors)
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._doors.tasks.spawn(self._lead())

    async def _lead(self) -> None:
        try:
            nodes = self._doors.edge.in_turn(self._endpoint)
            self._doors.edge.seen.add(trail.joined(str(self._doors.edge.hop()), nodes[0]))
            node = await self._doors.node(nodes)
        except NoWayError:
            reset(self.connected)
            return
        self.join(node)


class ProxyDoor(Door):
    """A connection that asks for a name by CONNECT, and then goes to a node behind it."""

    def __init__(self, doors: Doors, region: str) -> None:
        super().__init__(doors)
        self._region = region
        self._head = b""
        self._asked = False
        self._waiting: PeerLimit | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._waiting = PeerLimit(HEAD_TIMEOUT_S, transport.close)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        if self._asked:  # nothing may come before the answer, TLS least of all
            self.connected.abort()
            return
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > HEAD_BYTES_MAX:
            self._asked = True
            assert self._waiting is not None
            self._waiting.cancel()
            self._doors.tasks.spawn(self._answer())

    async def _answer(self) -> None:
        try:
            node = await self._lead(target_of(self._head))
        except RefusedError as refused:
            log.info("client in %s: %s", self._region, refused)
            if not self.connected.is_closing():  # else the client went away meanwhile
                self.connected.write(refusal(refused))
                self.connected.close()
            return
        if node is not None:
            await self._begin_tls(self.connected, node)

    async def _lead(self, name: str) -> End | None:
        """A connection to a node behind the name; None when the client's was reset. Raises RefusedError."""
        try:
            way = await self._doors.edge.lead(name, self._region)
        except UnknownName as unknown:
            raise RefusedError(403, f"Forbidden: {unknown}") from None
        self._doors.edge.seen.add(trail.joined(str(self._doors.edge.hop_by(way)), *way.nodes[:1]))
        if way.outcome == "reset":
            reset(self.connected)
            return None
        if way.outcome != "found":
            raise RefusedError(502, f"Bad Gateway: {way.problem}")
        try:
            return await self._doors.node(way.nodes)
        except NoWayError as none:
            raise RefusedError(502, f"Bad Gateway: {none}") from None

    async def _begin_tls(self, transport: asyncio.Transport, node: End) -> None:
        loop = asyncio.get_running_loop()
        if transport.is_closing():  # the client went away while its way was sought
            self._leave(node)
            return
        transport.write(ESTABLISHED)
        self.join(node)
        try:
            async with patience(TLS_TIMEOUT_S):
                secured = await loop.start_tls(
                    transport, self, self._doors.context, server_side=True, ssl_handshake_timeout=NO_LIMIT_S
                )
        except (OSError, TimeoutError, ssl.SSLError) as failed:  # such as a client that does not trust the stack's authority
            log.info("client in %s: TLS: %s", self._region, failed)
            self._leave(node)
            return
        self.transport = secured

    def _leave(self, node: End) -> None:
        """Ends the connection to the node, which is no mistake of the node's."""
        self.other = None
        if node.transport is not None:
            node.on_lost = lambda: None
            node.transport.close()


def target_of(head: bytes) -> str:
    """The name that a request asks the proxy for; raises RefusedError for anything but `CONNECT NAME:443`."""
    line = head.partition(b"\r\n")[0].decode("latin-1")
    words = line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not head.endswith(b"\r\n\r\n"):
        raise RefusedError(400, "Bad Request")
    method, target, _ = words
    if method != "CONNECT":
        raise RefusedError(405, "Method Not Allowed: this proxy leads to names of the stack by CONNECT alone")
    name, _, port = target.rpartition(":")
    if port != HTTPS_PORT:
        raise RefusedError(403, f"Forbidden: names of the stack have the port {HTTPS_PORT} alone")
    return name.lower()


def refusal(refused: RefusedError) -> bytes:
    """The answer to a request that gets no way; the reason is in the status line and once more in the body."""
    reason = str(refused).encode("ascii", "replace").replace(b"\r", b"?").replace(b"\n", b"?")
    head = b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (refused.status, reason, len(reason) + 1) + reason + b"\n"
