"""A node's ports on a real network, clock and disk (the contract is brownout.identity.core.ports.Ports).

Calls are HTTP/1.1 over persistent connections to the link's address, which is a proxy's and never the target's own. The
three failures differ in what the caller can know:

- `refused`: no connection was established, so nothing can have happened at the target;
- `timeout`: no whole answer within the time allowed;
- `reset`: the connection ended, or what came was no answer. Whether the target acted is unknown.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

from brownout.identity.core.messages import JSON_TYPE, CallFailed, Request, Response
from brownout.identity.core.ports import Signer
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError


class SocketPorts:
    """One node's view of the world: `addresses` maps each node it may call to the `host:port` of the link to it."""

    def __init__(
        self,
        *,
        clock: Clock,
        addresses: Mapping[str, str],
        signer: Signer,
        records: DurableRecords,
    ) -> None:
        self.signer = signer
        self.skew_s = 0.0
        self._clock = clock
        self._addresses = dict(addresses)
        self._records = records
        self._http = HttpClient()

    def now(self) -> float:
        return self._clock.now() + self.skew_s

    def machine_time(self, at_s: float) -> float:
        return time.time() + (at_s - self.now()) / self._clock.rate

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
        address = self._addresses[target]
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._http.send(address, request)
        except TimeoutError:
            raise CallFailed("timeout", target) from None
        except NotConnectedError:
            raise CallFailed("refused", target) from None
        except BrokenOffError:
            raise CallFailed("reset", target) from None
        if response.payload and response.media_type in ("", JSON_TYPE) and response.body is None:
            raise CallFailed("reset", target)  # JSON that is none: no node of the stack said that
        return response

    def close(self) -> None:
        """Closes the connections and the file of records."""
        self._http.close()
        self._records.close()
