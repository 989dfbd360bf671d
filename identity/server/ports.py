"""A node's ports on a real network, clock and disk (the contract is brownout.identity.core.ports.Ports).

Calls are HTTP/1.1 over persistent connections to the link's address, which is a proxy's and never the target's own. The
three failures differ in what the caller can know:

- `refused`: no connection was established, so nothing can have happened at the target;
- `timeout`: no whole answer within the time allowed;
- `reset`: the connection ended, or what came was no answer. Whether the target acted is unknown.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from brownout.identity.core.messages import JSON_TYPE, CallFailed, Request, Response
from brownout.identity.core.ports import CHANCE_BYTES, Signal, Signer
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.http_client import BrokenOffError, HttpClient, NotConnectedError

IDS_AT_ONCE = CHANCES_AT_ONCE = 32
log = logging.getLogger("brownout.identity.server")


class _SocketSignal:
    """A signal between coroutines of this process."""

    def __init__(self) -> None:
        self._given = asyncio.Event()

    def give(self) -> None:
        self._given.set()

    async def wait(self) -> None:
        await self._given.wait()


def random_ids(count: int) -> list[str]:
    """The texts of UUIDs of version 4; `uuid` takes four times as long for one, and most answers have a new one."""
    raw = os.urandom(16 * count)
    # RFC 9562: digit 13 is the version, 4, and the upper two bits of digit 17 are the variant, so it is 8, 9, a or b.
    digits, variants = raw.hex(), ["89ab"[byte & 3] for byte in raw[8::16]]
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-4{digits[at + 13 : at + 16]}"
        f"-{variants[at // 32]}{digits[at + 17 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 32)
    ]


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
        self._ids: list[str] = []
        self._chances: list[bytes] = []
        self._spawned: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self._clock.now() + self.skew_s

    def machine_time(self, at_s: float) -> float:
        return time.time() + (at_s - self.now()) / self._clock.rate

    def new_id(self) -> str:
        """Some ids are made at a time, which takes less than half for each; each is used once."""
        if not self._ids:
            self._ids = random_ids(IDS_AT_ONCE)
        return self._ids.pop()

    def chance(self) -> bytes:
        """Made some at a time too, which spares a call of the system for each."""
        if not self._chances:
            raw = os.urandom(CHANCE_BYTES * CHANCES_AT_ONCE)
            self._chances = [raw[at : at + CHANCE_BYTES] for at in range(0, len(raw), CHANCE_BYTES)]
        return self._chances.pop()

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(self._clock.real_s(duration_s))

    def signal(self) -> Signal:
        return _SocketSignal()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._spawned.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("%s failed", task.get_coro(), exc_info=failure)

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        await self._records.write(key, record)

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        return self._records.read_all()

    async def call(self, target: str, request: Request, *, timeout_s: float) -> Response:
        """One request over the link to `target`; raises CallFailed, and KeyError where the stack has no such link."""
        address = self._addresses[target]
        if asyncio.current_task() is None:  # an answer that was begun without one (server/http_protocol.py)
            return await asyncio.get_running_loop().create_task(self.call(target, request, timeout_s=timeout_s))
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
        """Ends what was spawned, and closes the connections."""
        for task in self._spawned:
            task.cancel()
        self._http.close()
