"""Requests to a stack's fault API as a program in any language sends them, to the handler itself or over the network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from brownout.harness.experiment import plugins
from brownout.harness.operate.fault_api.handler import Api
from brownout.identity.core.messages import Request, Response
from support.stand_ins import KINDS, make

TOKEN = "the-token"
HEADERS = {"host": "127.0.0.1:4000", "authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
FAKE: Mapping[str, Any] = {"fault": "fake", "parameters": {"on": ["node:a", "link:x->y"]}}


@contextmanager
def fakes_installed() -> Iterator[None]:
    """Has the faults of the stand-ins as the installed ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "fault", make)
        patch.setattr(plugins, "faults", lambda: KINDS)
        patch.setattr(plugins, "fault_class", KINDS.__getitem__)
        yield


async def ask(api: Api, method: str, path: str, body: Any = None, **headers: str) -> Response:
    """The API's answer; a `header` that is empty is left away."""
    payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value]
    return await api.handle(Request.raw(method, path, lines, payload))


def told(answer: Response) -> dict[str, Any]:
    """The answer's JSON object."""
    found = json.loads(answer.payload)
    assert isinstance(found, dict)
    return found
