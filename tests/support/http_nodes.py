"""A node that echoes, served over HTTP, and a node's ports to talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from brownout.harness.base.ports import port_of, reserve
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.surface import Surface
from brownout.identity.server.answering import Handler
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.http_server import HttpServer
from brownout.identity.server.ports import SocketPorts
from brownout.identity.server.signing import JwtSigner


class Echo:
    """A node that answers with what it was asked, or as it is told to."""

    def __init__(self, answer: Response | None = None) -> None:
        self.answer = answer
        self.seen: list[Request] = []

    async def handle(self, request: Request) -> Response:
        self.seen.append(request)
        if request.path == "/raise":
            raise RuntimeError("the node is broken")
        return self.answer or Response(200, {"body": request.body, "query": request.query, "method": request.method})


@asynccontextmanager
async def served(node: Handler, surfaces: tuple[Surface, ...] = (), *, at_once: bool = True) -> AsyncIterator[int]:
    (listener,) = reserve(1)
    server = HttpServer(node, surfaces, at_once=at_once)
    await server.open(listener)
    try:
        yield port_of(listener)
    finally:
        await server.close(patience_s=1.0)


@asynccontextmanager
async def ports_to(tmp_path: Path, port: int, *, rate: float = 1.0) -> AsyncIterator[SocketPorts]:
    records = DurableRecords(tmp_path / "node.sqlite")
    ports = SocketPorts(
        clock=Clock.starting_now(1000.0, rate),
        addresses={"sydney.store": f"127.0.0.1:{port}"},
        signer=JwtSigner(),
        records=records,
    )
    try:
        yield ports
    finally:
        ports.close()
        records.close()
