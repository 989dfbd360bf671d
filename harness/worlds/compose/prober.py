"""`python -m brownout.harness.worlds.compose.prober NETWORK.prober`: probes links from inside a network, on request.

A link between regions begins in its source's network, and only a probe from there sees what its source sees. The prober
shares nothing with the stack's own clients: each probe is one fresh connection. Requests need the stack's control token,
as at every control plane:

    GET /_brownout/healthz                         whether it runs (no token)
    GET /probe?address=HOST:PORT&timeout_ms=N      one request to a health page: `{"outcome", "latency_ms"}`
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from brownout.harness.worlds.compose.layout import NODE_PORT, SPEC_FOLDER
from brownout.harness.worlds.live.probe import probe_address
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import HEALTH_PATH
from brownout.identity.server.ending import EndAsked
from brownout.identity.server.http_server import HttpServer, run_server
from brownout.identity.server.shared_spec import GO_NAME, read_stack

MOST_MS = 30_000.0
LOOK_INTERVAL_S = 0.05
END_TIMEOUT_S = 1.0


class Prober:
    """The handler behind the prober's port."""

    def __init__(self, name: str, control_token: str) -> None:
        self._name, self._bearer = name, f"Bearer {control_token}"
        self._pages: Mapping[str, Callable[[Request], Awaitable[Response]]] = {"/probe": self._probe}

    async def handle(self, request: Request) -> Response:
        if request.path == HEALTH_PATH:
            return Response(200, {"node": self._name, "ready": True})
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._bearer.encode()):
            return Response(401, {"error": {"code": "Unauthorized", "message": "the prober needs the control token"}})
        page = self._pages.get(request.path)
        if page is None:
            return Response(404, {"error": {"code": "NotFound", "message": f"no page {request.path}"}})
        try:
            return await page(request)
        except (KeyError, ValueError) as wrong:
            return Response(400, {"error": {"code": "BadRequest", "message": f"{type(wrong).__name__}: {wrong}"}})

    async def _probe(self, request: Request) -> Response:
        timeout_ms = min(float(request.query["timeout_ms"]), MOST_MS)
        return Response(200, asdict(await probe_address(request.query["address"], timeout_ms=timeout_ms)))


async def serve(name: str, folder: Path) -> None:
    """Serves for as long as the container runs."""
    while not (folder / GO_NAME).exists():  # noqa: ASYNC110  # no event tells; nothing else runs here
        await asyncio.sleep(LOOK_INTERVAL_S)
    prober = Prober(name, read_stack(folder).stack.control_token)
    with socket.create_server(("0.0.0.0", NODE_PORT)) as listener:  # noqa: S104  # its own network namespace
        server, asked = HttpServer(prober), EndAsked()
        await server.open(listener)
        await asked.wait()
        await server.close(patience_s=END_TIMEOUT_S)
        asked.close()


if __name__ == "__main__":
    run_server(serve(sys.argv[1], Path(SPEC_FOLDER)))
