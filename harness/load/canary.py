"""A canary: one process that uses the real azure-identity against a stack and writes down what its caller would have seen.

`python -m brownout.harness.load.canary CONFIG.json`. Attempts alternate between a machine that has long been there, whose
host has its token cached, and a machine that has only just been scaled out. Each attempt makes a fresh credential, because the
library keeps tokens in memory only, and leaves its retries as they are: one attempt can take 24 s of real time.

Every attempt is one line of `canary-sync.jsonl` or `canary-async.jsonl`. An attempt that is under way when the process gets
SIGTERM is written with `unfinished` set. Sync and async credentials are different code with different errors, so each kind
runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from brownout.harness.base.models import FrozenModel
from brownout.harness.base.processes import die_with_launcher
from brownout.harness.record.attempts import Attempt, Kind, log_path
from brownout.identity.server.clock import Clock

AUTHORITY_VARIABLE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
SCOPE = "https://vault.azure.net/.default"
PAUSE_S = 1.0
# Machines of the load's own arrivals are numbered from 0 up; these numbers belong to canaries alone.
FIRST_NUMBER: Mapping[str, int] = {"sync": 900_000, "async": 950_000}
_LONGEST_MESSAGE = 300


class CanaryConfig(FrozenModel):
    """The configuration of one canary. `host_url` is the host node's URL for clients; `clock` as in a LoadPlan."""

    client: Kind
    host_url: str
    warm_machine: str
    scale_set: str
    clock: Mapping[str, float]
    folder: Path


class Log:
    """Times attempts and appends them to the canary's log, each exactly once."""

    def __init__(self, config: CanaryConfig) -> None:
        self._client = config.client
        self._clock = Clock.from_record(config.clock)
        path = log_path(config.folder, config.client)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._current: tuple[str, bool, float] | None = None

    def begin(self, machine: str, *, fresh: bool) -> None:
        self._current = (machine, fresh, time.monotonic())

    def end(self, failure: BaseException | None = None, *, unfinished: bool = False) -> None:
        """Writes the attempt that was begun; nothing when none is under way. May be called from SIGTERM's handler."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # or the handler could come between the two steps
        if self._current is not None:
            os.write(self._descriptor, self._attempt(*self._current, failure, unfinished).to_line())
            self._current = None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _attempt(self, machine: str, fresh: bool, started_s: float, failure: BaseException | None, unfinished: bool) -> Attempt:
        ended_s = time.monotonic()
        return Attempt(
            client=self._client,
            machine=machine,
            fresh=fresh,
            started_s=round(self._clock.emulated_at(started_s), 6),
            ended_s=round(self._clock.emulated_at(ended_s), 6),
            wall_s=round(ended_s - started_s, 6),
            ok=failure is None and not unfinished,
            unfinished=unfinished,
            error=type(failure).__name__ if failure is not None else "",
            message=str(failure)[:_LONGEST_MESSAGE] if failure is not None else "",
        )


def machines(config: CanaryConfig) -> Iterator[tuple[str, bool]]:
    """Machine and whether it is new, without end: the warm one and a fresh one in turn."""
    for number in itertools.count(FIRST_NUMBER[config.client]):
        yield config.warm_machine, False
        yield f"{config.scale_set}_{number}", True


def _become(config: CanaryConfig, machine: str) -> None:
    """Sets this process's environment so that azure-identity takes it for a process on `machine`."""
    os.environ[AUTHORITY_VARIABLE] = f"{config.host_url.rstrip('/')}/{machine}"


def run_sync(config: CanaryConfig, log: Log) -> None:
    """Attempts without end; SIGTERM ends the process from within the handler, whatever the library is doing."""
    from azure.identity import ManagedIdentityCredential

    def stop(*_: object) -> None:
        # An exception raised by the handler could be swallowed: msal has a bare `except:` around its request.
        log.end(unfinished=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for machine, fresh in machines(config):
        _become(config, machine)
        log.begin(machine, fresh=fresh)
        try:
            with ManagedIdentityCredential() as credential:
                credential.get_token(SCOPE)
        except Exception as failed:  # whatever its caller would have seen is the finding
            log.end(failed)
        else:
            log.end()
        time.sleep(PAUSE_S)


async def run_async(config: CanaryConfig, log: Log) -> None:
    """Attempts until SIGTERM."""
    from azure.identity.aio import ManagedIdentityCredential

    async def acquire() -> None:
        async with ManagedIdentityCredential() as credential:
            await credential.get_token(SCOPE)

    attempts = asyncio.create_task(_attempts(config, log, acquire))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, attempts.cancel)
    try:
        await attempts
    except asyncio.CancelledError:
        log.end(unfinished=True)


async def _attempts(config: CanaryConfig, log: Log, acquire: Callable[[], Awaitable[None]]) -> None:
    for machine, fresh in machines(config):
        _become(config, machine)
        log.begin(machine, fresh=fresh)
        try:
            await acquire()
        except Exception as failed:  # whatever its caller would have seen is the finding
            log.end(failed)
        else:
            log.end()
        await asyncio.sleep(PAUSE_S)


def main(path: Path) -> None:
    die_with_launcher()
    config = CanaryConfig.model_validate_json(path.read_bytes())
    log = Log(config)
    if config.client == "sync":
        run_sync(config, log)
    else:
        asyncio.run(run_async(config, log))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
