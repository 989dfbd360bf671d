"""A service that answers every request with a token at once, for measuring a generator rather than a service."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop

from brownout.identity.core.messages import Request, Response
from brownout.identity.server.http_server import HttpServer

ANSWER = Response(200, {"access_token": "x" * 700, "expires_in": "86399", "resource": "https://vault.azure.net"})


class Ready:
    """It has its answer."""

    async def handle(self, request: Request) -> Response:
        return ANSWER


async def serve(port: int) -> None:
    """Serves on that port of the loopback for as long as the process runs."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        await HttpServer(Ready()).open(listener)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
