"""What Toxiproxy's API answers, checked before anything is made of it: another program may have its port.

Only what the adapter and its library read is checked. A later version of the server may say more.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from brownout.harness.errors import WorldError, readable


class VersionAnswer(BaseModel):
    model_config = ConfigDict(strict=True)
    version: str


class ToxicAnswer(BaseModel):
    model_config = ConfigDict(strict=True)
    name: str
    type: str
    stream: str
    attributes: dict[str, Any]


class ProxyAnswer(BaseModel):
    model_config = ConfigDict(strict=True)
    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: list[ToxicAnswer]


class ToxiproxyError(WorldError):
    """The server answered with something other than success; `status` is 0 when it did not answer."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


_VERSION = TypeAdapter[Any](VersionAnswer)
_PROXIES = TypeAdapter[Any](dict[str, ProxyAnswer])
_PROXY = TypeAdapter[Any](ProxyAnswer)
_TOXICS = TypeAdapter[Any](list[ToxicAnswer])
_OBJECT = TypeAdapter[Any](dict[str, Any])


def require_answer(method: str, url: str, status: int, body: bytes) -> None:
    """Raises ToxiproxyError, with the server's error text, unless the answer is a success and Toxiproxy's."""
    if not 200 <= status < 300:
        parts = urlsplit(url)
        problem = f"answered {status} to {method} {parts.path}: {_error_text(body)}"
        raise ToxiproxyError(f"Toxiproxy at {parts.netloc} {problem}", status=status)
    if problem := problem_of(method, urlsplit(url).path, body):
        parts = urlsplit(url)
        raise ToxiproxyError(
            f"what answers at {parts.netloc} to {method} {parts.path} is no Toxiproxy: {problem}",
            hint="another program may have its port; `brownout status` tells whether the stack's Toxiproxy still runs",
        )


def _error_text(body: bytes) -> str:
    """The `error` of an answer, which comes as JSON whatever its content type says; else the first line of it."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        lines = body.decode("utf-8", "replace").strip().splitlines()
        return lines[0][:200] if lines else "no reason given"


def problem_of(method: str, path: str, body: bytes) -> str:
    """Why this is no answer of Toxiproxy's to that request, "" when it is one."""
    if method == "DELETE":
        return ""  # it has no content
    try:
        _expected(method, path).validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return readable(f"{place}: {first['msg']}" if place else first["msg"])
    return ""


def _expected(method: str, path: str) -> TypeAdapter[Any]:
    if method != "GET":
        return _OBJECT
    if path == "/version":
        return _VERSION
    if path == "/proxies":
        return _PROXIES
    return _TOXICS if path.endswith("/toxics") else _PROXY
