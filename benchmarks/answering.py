"""A service that answers every request with a token at once, for measuring a generator rather than a service."""

from __future__ import annotations

import json
from typing import Any

BODY = json.dumps({"access_token": "x" * 700, "expires_in": "86399", "resource": "https://vault.azure.net"}).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})
