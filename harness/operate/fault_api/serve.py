"""Serves the fault API of a stack until the stack ends: what `api_process.door` calls at the first request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.api_process.door import is_halted
from brownout.harness.operate.api_process.record import FaultApi, read_fault_api
from brownout.harness.operate.fault_api.handler import Api
from brownout.harness.operate.loads.inside import end_while_halted
from brownout.identity.server.ending import EndAsked
from brownout.identity.server.http_server import HttpServer
from brownout.identity.server.log_lines import start_logging

LOOK_S = 1.0
END_TIMEOUT_S = 1.0


def serve(folder: Path, listener: socket.socket, lives: Callable[[], bool]) -> int:
    """Serves the stack in `folder` on `listener` while `lives` says so; returns the exit code."""
    start_logging()
    known = read_fault_api(folder)
    if known is None:
        return 0
    asyncio.run(_serve(folder, known, listener, lives))
    return 0


async def _serve(folder: Path, known: FaultApi, listener: socket.socket, lives: Callable[[], bool]) -> None:
    with Ledger(ledger_path()) as ledger:
        try:
            row = ledger.stack(folder.name)
        except KeyError:
            raise StackGone(f"the ledger has no stack {folder.name}") from None
    server, asked = HttpServer(Api(row, known.token, known.url)), EndAsked()
    await server.open(listener)
    ending = asyncio.create_task(asked.wait())
    try:
        while lives() and not (await asyncio.wait({ending}, timeout=LOOK_S))[0]:
            if is_halted(folder):
                await end_while_halted(folder)
    finally:
        ending.cancel()
        await server.close(patience_s=END_TIMEOUT_S)
        asked.close()
