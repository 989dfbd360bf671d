"""A probe of one link that shares nothing with the stack's own clients: one fresh connection, one request, four outcomes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Literal

from brownout.harness.world import ProbeResult
from brownout.identity.core.topology import HEALTH_PATH
from brownout.identity.server.spec_file import split_address

ProbeOutcome = Literal["ok", "refused", "reset", "timeout"]


async def probe_address(address: str, *, timeout_ms: float) -> ProbeResult:
    """Requests the health page of `host:port`. Any HTTP answer is `ok`: it shows that the link carries."""
    started_s = time.perf_counter()
    outcome: ProbeOutcome
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            outcome = await _exchange(*split_address(address))
    except TimeoutError:
        outcome = "timeout"
    return ProbeResult(outcome, (time.perf_counter() - started_s) * 1000)


async def _exchange(host: str, port: int) -> ProbeOutcome:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return "refused"
    try:
        # No `connection: close`: a node that closes after its answer would make a stalled answer look like a reset.
        writer.write(f"GET {HEALTH_PATH} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
        await writer.drain()
        status_line = await reader.readline()
    except OSError:
        return "reset"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return "ok" if status_line.startswith(b"HTTP/") and status_line.endswith(b"\n") else "reset"
