"""A node's ports on a real network, clock and disk (the contract is brownout.identity.core.ports.Ports).

Calls are HTTP/1.1 over kept connections to the link's address, which is a proxy's and never the target's own. The three
failures are told apart by what the caller can know:

- `refused`: no connection came about, so nothing can have happened at the target;
- `timeout`: no whole answer within the time allowed;
- `reset`: the connection ended, or what came was no answer. Whether the target acted is unknown.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.ports import Signer
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.http_client import Answer, BrokenOffError, HttpClient, NotConnectedError

JSON_TYPE = {"content-type": "application/json"}
PATH_SAFE = "/:@!$&'()*+,;=~"  # what RFC 3986 allows in a path as it is


class SocketPorts:
    """One node's view of the world: `addresses` maps each node it may call to the `host:port` of the link to it.

    `skew_s` is how far this node's clock is ahead of the stack's, in emulated seconds.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        addresses: Mapping[str, str],
        signer: Signer,
        records: DurableRecords,
        skew_s: float = 0.0,
    ) -> None:
        self.signer = signer
        self._clock = clock
        self._skew_s = skew_s
        self._addresses = dict(addresses)
        self._records = records
        self._http = HttpClient()

    def now(self) -> float:
        return self._clock.now() + self._skew_s

    def new_id(self) -> str:
        return str(uuid.uuid4())

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(self._clock.real_s(duration_s))

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        await self._records.write(key, record)

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        return self._records.read_all()

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        """One request over the link to `target`; raises CallFailed, and KeyError where the stack has no such link."""
        address, path = self._addresses[target], _target(request)
        content = b"" if request.body is None else orjson.dumps(request.body, default=dict)
        headers = {**request.headers, **JSON_TYPE} if content else request.headers
        try:
            async with asyncio.timeout(timeout_s):
                return _response(await self._http.send(address, request.method, path, headers, content))
        except TimeoutError:
            raise CallFailed("timeout", target) from None
        except NotConnectedError:
            raise CallFailed("refused", target) from None
        except (BrokenOffError, orjson.JSONDecodeError):
            raise CallFailed("reset", target) from None

    def close(self) -> None:
        """Lets connections and the disk go."""
        self._http.close()
        self._records.close()


def _target(request: Request) -> str:
    path = quote(request.path, safe=PATH_SAFE)
    return f"{path}?{urlencode(request.query)}" if request.query else path


def _response(answer: Answer) -> Response:
    """Raises JSONDecodeError: nodes speak nothing but JSON objects."""
    body = orjson.loads(answer.content) if answer.content else None
    if body is not None and not isinstance(body, dict):
        raise orjson.JSONDecodeError("not a JSON object", "", 0)
    return Response(answer.status, body, answer.headers)
