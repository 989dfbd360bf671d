"""A canary: one process that uses a real client library against a stack and writes down what its caller would have seen.

`python -m brownout.harness.load.canary.process CONFIG.json`. Attempts alternate as the client's turns do, for one between a
machine that has long been there, whose host has its token cached, and a machine that has only just been scaled out. The
library's retries are left as they are: one attempt can take 24 s of real time.

Every attempt is one line of `canary-CLIENT.jsonl`. An attempt that is under way when the process gets SIGTERM is written
with `unfinished` set. Each client runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from brownout.harness.base.processes import die_with_launcher
from brownout.harness.load.canary.clients import CLIENTS, CanaryClient, CanaryConfig, Turn
from brownout.harness.record.attempts import Attempt, log_path
from brownout.identity.server.clock import Clock

PAUSE_S = 1.0
_LONGEST_MESSAGE = 300


class Log:
    """Times attempts and appends them to the canary's log, each exactly once."""

    def __init__(self, config: CanaryConfig) -> None:
        self._client = config.client
        self._clock = Clock.from_record(config.clock)
        path = log_path(config.folder, config.client)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._current: tuple[Turn, float] | None = None

    def begin(self, turn: Turn) -> None:
        self._current = (turn, time.monotonic())

    def end(self, failure: BaseException | None = None, *, unfinished: bool = False) -> None:
        """Writes the attempt that was begun; nothing when none is under way. May be called from SIGTERM's handler."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # or the handler could come between the two steps
        if self._current is not None:
            os.write(self._descriptor, self._attempt(*self._current, failure, unfinished).to_line())
            self._current = None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _attempt(self, turn: Turn, started_s: float, failure: BaseException | None, unfinished: bool) -> Attempt:
        ended_s = time.monotonic()
        return Attempt(
            client=self._client,
            machine=turn.machine,
            fresh=turn.fresh,
            started_s=round(self._clock.emulated_at(started_s), 6),
            ended_s=round(self._clock.emulated_at(ended_s), 6),
            wall_s=round(ended_s - started_s, 6),
            ok=failure is None and not unfinished,
            unfinished=unfinished,
            error=type(failure).__name__ if failure is not None else "",
            message=str(failure)[:_LONGEST_MESSAGE] if failure is not None else "",
            operation=turn.operation,
        )


def run_sync(client: CanaryClient, log: Log) -> None:
    """Attempts without end; SIGTERM ends the process from within the handler, whatever the library is doing."""

    def stop(*_: object) -> None:
        # An exception raised by the handler could be swallowed: msal has a bare `except:` around its request.
        log.end(unfinished=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for turn in client.turns():
        log.begin(turn)
        try:
            client.attempt(turn)
        except Exception as failed:  # whatever its caller would have seen is the finding
            log.end(failed)
        else:
            log.end()
        time.sleep(PAUSE_S)


async def run_async(client: CanaryClient, log: Log) -> None:
    """Attempts until SIGTERM."""
    attempts = asyncio.create_task(_attempts(client, log))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, attempts.cancel)
    try:
        await attempts
    except asyncio.CancelledError:
        log.end(unfinished=True)


async def _attempts(client: CanaryClient, log: Log) -> None:
    for turn in client.turns():
        log.begin(turn)
        try:
            attempt = client.attempt(turn)
            assert attempt is not None, "an async client's attempt is awaited"
            await attempt
        except Exception as failed:  # whatever its caller would have seen is the finding
            log.end(failed)
        else:
            log.end()
        await asyncio.sleep(PAUSE_S)


def main(path: Path) -> None:
    die_with_launcher()
    config = CanaryConfig.model_validate_json(path.read_bytes())
    log = Log(config)
    kind = CLIENTS[config.client]
    client = kind.make(config)
    if kind.is_async:
        asyncio.run(run_async(client, log))
    else:
        run_sync(client, log)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
