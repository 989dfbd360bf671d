"""What Toxiproxy's API answers, checked before anything is made of it: another program may have its port.

Only what the adapter and its library read is checked. A later version of the server may say more.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from brownout.harness.errors import readable


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


_VERSION = TypeAdapter[Any](VersionAnswer)
_PROXIES = TypeAdapter[Any](dict[str, ProxyAnswer])
_PROXY = TypeAdapter[Any](ProxyAnswer)
_TOXICS = TypeAdapter[Any](list[ToxicAnswer])
_OBJECT = TypeAdapter[Any](dict[str, Any])


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
