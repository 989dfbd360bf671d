"""Feeds the faults of a stack to a dashboard that sees no ledger (the `load` profile of the compose world)."""

from __future__ import annotations

import asyncio
import time

import httpx

from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import StackGone, UsageError, WorldError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.recovery import world_of
from brownout.harness.load.fault_spans import PERIOD_S, FaultSpans
from brownout.harness.operate.loads.load_session import Notify
from brownout.harness.operate.stacks import resolve_stack
from brownout.harness.run.fault_bands import LedgerBands

TIMEOUT_S = 5.0


async def feed(url: str, stack: str, stop: asyncio.Event, say: Notify, *, for_s: float | None = None) -> str:
    """Sends the stack's faults to the dashboard at `url` until `stop` is set; returns why it ended.

    Raises UsageError when the dashboard does not answer or refuses the token, and StackGone.
    """
    base = url.rstrip("/")
    with Ledger(ledger_path()) as ledger:
        row = resolve_stack(stack, for_="load")
        world = world_of(row)
        source = LedgerBands(ledger, row.id, {})
        until_s = float("inf") if for_s is None else time.monotonic() + for_s
        headers = {"authorization": f"Bearer {world.spec.control_token}", "content-type": "application/json"}
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, headers=headers) as client:
            await _send(client, base, source.read(now_s=world.now(), rate=world.rate))
            say(f"faults of stack {row.id} go to {base}/faults until Ctrl-C")
            while not stop.is_set() and time.monotonic() < until_s:
                if ledger.stack(row.id).closed:
                    raise StackGone(f"stack {row.id} was taken down")
                await _send(client, base, source.read(now_s=world.now(), rate=world.rate))
                try:
                    await asyncio.wait_for(stop.wait(), timeout=PERIOD_S)
                except TimeoutError:
                    continue
    return "faults are no longer sent to the dashboard"


async def _send(client: httpx.AsyncClient, base: str, bands: FaultSpans) -> None:
    try:
        answer = await client.put(f"{base}/faults/bands", content=bands.model_dump_json(by_alias=True))
    except httpx.HTTPError as failed:
        hint = "is the load running? `--profile load` publishes it on 127.0.0.1:8089"
        raise UsageError(f"no dashboard answers at {base}: {type(failed).__name__}", hint=hint) from failed
    if answer.status_code == 401:
        raise UsageError(f"the dashboard at {base} belongs to another stack", hint="name its stack with --stack")
    if answer.status_code != 204:
        raise WorldError(f"the dashboard at {base} did not take the faults: {answer.status_code} {answer.text.strip()}")
