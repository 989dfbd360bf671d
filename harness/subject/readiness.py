"""When a subject is ready: once the URL that its experiment names answers with 2xx, and nothing else is taken for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from brownout.harness.errors import WorldError
from brownout.identity.core.messages import Request
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError

POLL_S = 0.05
ATTEMPT_S = 2.0
NOT_THERE, SILENT = "nothing listened there", "it took a connection and did not answer"


async def await_answer(url: str, within_s: float, *, running: Callable[[], None], printed: Callable[[], str]) -> float:
    """The seconds until the URL answered with 2xx; raises WorldError, with what was seen and the end of the subject's output.

    `running` is called before each look, and raises WorldError for a subject that has ended.
    """
    started_s, seen = time.monotonic(), NOT_THERE
    http = HttpClient(persistent=False)
    try:
        while (took_s := time.monotonic() - started_s) < within_s:
            running()
            window_s = min(ATTEMPT_S, within_s - took_s)
            status = await _answer(http, url, window_s)
            if isinstance(status, int) and 200 <= status <= 299:
                return time.monotonic() - started_s
            if status != SILENT or window_s == ATTEMPT_S or seen == NOT_THERE:  # what is cut short says nothing new
                seen = f"its last answer had status {status}" if isinstance(status, int) else status
            await asyncio.sleep(POLL_S)
    finally:
        http.close()
    raise WorldError(f"the subject was not ready within {within_s:g} s: {seen} ({url})", hint=printed())


async def _answer(http: HttpClient, url: str, within_s: float) -> int | str:
    parts = urlsplit(url)
    request = Request.raw("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
    try:
        async with asyncio.timeout(within_s):
            return (await http.send(f"127.0.0.1:{parts.port}", request)).status
    except TimeoutError:
        return SILENT
    except NotConnectedError:
        return NOT_THERE
    except BrokenOffError:
        return "it broke the connection off"
