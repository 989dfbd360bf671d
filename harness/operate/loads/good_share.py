"""Good share: the share of good requests per cohort and operation on a standing stack, over the last WINDOW_S seconds.

The shares come from the log of a load that runs on the stack. Without a load, probes take its place: each round sends one
arrival per typical client of each client model (an established machine, a machine never seen before, an application with a
long-lived token, an operator). The definition of a good request is the same for both.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from brownout.harness.errors import BrownoutError
from brownout.harness.load.models.model import Account, Arrival, Clients, On, SignIn
from brownout.harness.load.models.registry import client_model, client_models
from brownout.harness.load.playing import begin, perform
from brownout.harness.record.history import RequestRecord
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.control_plane import sign_in
from brownout.identity.aws.records.seed import account_of

WINDOW_S = 10.0  # real seconds
PROBE_TIMEOUT_S = 2.0
TAIL_BYTES = 4_000_000  # some ten thousand requests, far more than the window has
RESOURCE = "https://vault.azure.net"


@dataclass(frozen=True, slots=True)
class GoodShare:
    """Good requests among all `requests` in the window. `problem` says how the last bad one ended, "" without a bad one."""

    cohort: str
    operation: str
    requests: int
    good: int
    problem: str = ""

    @property
    def share(self) -> float:
        return self.good / self.requests


@dataclass(frozen=True, slots=True)
class _Ended:
    """One request that ended at `at_s`: emulated time in a load's log, monotonic time for a probe."""

    at_s: float
    cohort: str
    operation: str
    region: str
    good: bool
    problem: str


def load_share(folder: Path, world: LiveWorld) -> tuple[GoodShare, ...]:
    """The shares from the log of the load in `folder`; empty when no request has ended within the window."""
    oldest_s = world.now() - WINDOW_S * world.rate
    ended = (_of_record(record) for path in sorted(folder.glob("requests*.jsonl")) for record in _last_records(path))
    return _shares(one for one in ended if one.at_s >= oldest_s)


def _last_records(path: Path) -> Iterable[RequestRecord]:
    """The records in the last part of a log that is being written."""
    with path.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - TAIL_BYTES))
        lines = log.read().split(b"\n")
    for line in lines[1 if size > TAIL_BYTES else 0 : -1]:  # the first is cut off, the last is still being written
        try:
            yield RequestRecord(**orjson.loads(line))
        except (orjson.JSONDecodeError, TypeError):
            continue  # torn by a kill; verdicts count such lines, a share of the last seconds need not


def _of_record(record: RequestRecord) -> _Ended:
    problem = _problem(record.status, record.error)
    return _Ended(record.done_s, record.cohort, record.operation, record.region, record.outcome == "happened", problem)


def _problem(status: int, error: str) -> str:
    return f"{status or ''} {error}".strip() or "no answer"


def _shares(ended: Iterable[_Ended]) -> tuple[GoodShare, ...]:
    rows: dict[tuple[str, str], list[_Ended]] = {}
    for one in ended:
        rows.setdefault((one.cohort, one.operation), []).append(one)
    return tuple(_share(*key, found) for key, found in sorted(rows.items()))


def _share(cohort: str, operation: str, ended: list[_Ended]) -> GoodShare:
    bad = [one for one in ended if not one.good]
    where = sorted({one.region for one in bad})
    problem = f"{', '.join(where)}: {bad[-1].problem}" if bad else ""
    return GoodShare(cohort, operation, len(ended), len(ended) - len(bad), problem)


class Probes:
    """Sends probes to stacks and remembers the answers of each stack over the window."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ended: dict[str, deque[_Ended]] = {}
        self._clients: dict[str, Clients] = {}
        self._sign_ins: dict[str, SignIn] = {}
        self._numbers = itertools.count(int(time.time()) % 10**8)  # of scale sets' machines, so that no earlier probe used one

    async def share(self, stack: str, world: LiveWorld) -> tuple[GoodShare, ...]:
        """Sends one round and returns the shares of the rounds in the window."""
        recent = self._ended.setdefault(stack, deque())
        recent.extend(await self._round(stack, world))
        while recent and recent[0].at_s < self._monotonic() - WINDOW_S:
            recent.popleft()
        return _shares(recent)

    async def _round(self, stack: str, world: LiveWorld) -> list[_Ended]:
        sign_in = await self._sign_in(stack, world)
        clients = self._clients.setdefault(stack, Clients(Account()))
        clients.account = Account(world.spec.tenant_id, world.spec.subscription_id, sign_in, account_of(world.spec))
        wanted = [
            arrival
            for region in world.spec.regions
            for arrival in self._arrivals(region, world)
            if client_model(arrival.model).can_sign_in(sign_in)
        ]
        return list(await asyncio.gather(*(self._probe(world, arrival, clients) for arrival in wanted)))

    def _arrivals(self, region: str, world: LiveWorld) -> Iterator[Arrival]:
        number, here = next(self._numbers), [machine for machine in world.spec.machines if machine.region == region]
        machines: dict[On, str] = {"nothing": ""}
        for machine in reversed(here):  # the first of its kind is used
            if machine.scale_set:
                machines["scale set"] = f"{machine.name}_{number}"
            else:
                machines["machine"] = machine.name
        for model in client_models():
            for typical in model.typical:
                if typical.on in machines and model.vendor in world.spec.vendors:
                    yield Arrival(
                        id=f"probe-{number}",
                        at_s=world.now(),
                        cohort=typical.probe,
                        model=model.name,
                        region=region,
                        machine=machines[typical.on],
                        operation=model.default_operation,
                        home=region,
                        resource=RESOURCE,
                        front_end=model.front_ends[0] if model.front_ends else "",
                    )

    async def _sign_in(self, stack: str, world: LiveWorld) -> SignIn:
        """What probes sign in with, got once per stack; nothing when the directory does not answer.

        Probes that have to sign in are left out then.
        """
        if stack not in self._sign_ins:
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    self._sign_ins[stack] = await sign_in(world)
            except (BrownoutError, TimeoutError):
                return SignIn()
        return self._sign_ins[stack]

    async def _probe(self, world: LiveWorld, arrival: Arrival, clients: Clients) -> _Ended:
        answer = await perform(begin(arrival, clients, world.now()), partial(world.client, timeout_s=PROBE_TIMEOUT_S))
        problem = _problem(answer.status, answer.error)
        good = answer.outcome == "happened"
        return _Ended(self._monotonic(), arrival.cohort, arrival.operation, arrival.region, good, problem)
