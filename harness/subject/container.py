"""A subject as a service of the user's own Compose file: brought up, followed, and removed with all it brought.

Compose starts it and what it depends on. A keeper then takes what its container prints, as it takes a process's: it follows the
container's log, which ends when the container does. Everything on the engine carries the stack's id as a label, by which it is
removed when the stack is taken down, also after the run was killed.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.base.users.marked import MARK
from brownout.harness.client_env.shell_variables import ELSEWHERE
from brownout.harness.errors import WorldError
from brownout.harness.subject.keeper import KeeperOrder
from brownout.harness.subject.process import SubjectEnd, SubjectProcess
from brownout.harness.subject.readiness import POLL_S, await_answer
from brownout.harness.worlds.compose.cli import PORT_TAKEN, Compose
from brownout.harness.worlds.compose.engine import SUBJECT_LABEL, DockerEngine
from brownout.harness.worlds.compose.inspected import Container

OVERLAY_NAME = "subject.compose.json"
KILLED = 137  # 128 and SIGKILL, as the engine tells it
LAST_WORDS_S = 3.0  # how long a log that has ended may take to be read to its end


@dataclass(frozen=True, slots=True)
class ContainerOrder:
    """What to bring up. `over` goes over the user's file; `environment` is that of commands on the machine."""

    file: Path
    service: str
    over: Mapping[str, Any]
    ready: str
    ready_within_s: float
    stop_within_s: float
    record: Path
    environment: Mapping[str, str]
    secrets: tuple[str, ...] = ()


class SubjectContainer:
    """One subject in a container. `stack_folder` is that of the stack whose client it is, and its name the stack's id."""

    def __init__(self, order: ContainerOrder, stack_folder: Path) -> None:
        self._order, self._folder, self._stack = order, stack_folder, stack_folder.name
        self._compose = Compose(
            f"brownout-{self._stack}-subject", order.file, {}, over=stack_folder / OVERLAY_NAME, without=ELSEWHERE
        )
        self.environment = {**order.environment, MARK: str(stack_folder.absolute())}
        self.ended: SubjectEnd | None = None  # by itself
        self.over: Mapping[str, Any] = {}
        self._rising: asyncio.Task[None] | None = None
        self._follower: SubjectProcess | None = None
        self._engine = DockerEngine()
        self._container = ""

    def start(self) -> None:
        """Has Compose bring it up in a thread; needs a running event loop."""
        content = json.dumps(self._order.over, indent=1)
        replace_whole(self._folder / OVERLAY_NAME, content, durable=False, mode=OWNER_ONLY)
        self._rising = asyncio.ensure_future(asyncio.to_thread(self._bring_up))

    async def await_ready(self, within_s: float) -> float:
        """The seconds until it answered its ready URL with 2xx; raises WorldError, with the end of its output."""
        assert self._rising is not None
        started_s = time.monotonic()
        await asyncio.shield(self._rising)
        self._follow(self._container)
        left_s = max(within_s - (time.monotonic() - started_s), 2 * POLL_S)
        await await_answer(self._order.ready, left_s, running=self._require_running, printed=self._printed)
        return time.monotonic() - started_s

    def _bring_up(self) -> None:
        """Starts the containers; raises WorldError."""
        service = self._order.service
        try:
            command = ("up", "--detach", "--no-build", "--pull", "never", "--scale", f"{service}=1", service)
            self._compose.run(*command, within_s=self._order.ready_within_s)
        except WorldError as failed:
            raise self._not_up(failed) from failed
        container = self._find()
        if container is None:
            raise WorldError(f"Compose made no container for the subject's service {service}")
        self._container = container.id

    def _not_up(self, failed: WorldError) -> WorldError:
        """The error of a subject that Compose could not bring up."""
        file, service = self._order.file, self._order.service
        hint = f"try `docker compose -f {file} up {service}`; `subject.ready_within` may be longer"
        if PORT_TAKEN in failed.message:
            hint = f"end the program that has the port, or leave `ports` out of {file}: the run publishes the one that it needs"
        return WorldError(f"the subject's service {service} did not come up: {failed.message}", hint=hint)

    def _find(self) -> Container | None:
        return self._engine.containers.find(self._stack, self._order.service, label=SUBJECT_LABEL)

    def _follow(self, container: str) -> None:
        order = KeeperOrder(
            command=("docker", "logs", "--follow", container),
            folder=str(self._folder),
            environment=dict(os.environ),
            stop_within_s=1.0,
            record=str(self._order.record),
            secrets=self._order.secrets,
        )
        self._follower = SubjectProcess(order, self._order.ready, self._folder)
        self._follower.start()

    def _require_running(self) -> None:
        self.look()
        if self.ended is not None:
            raise WorldError(f"the subject {self.ended} before it was ready", hint=self._printed())

    def _printed(self) -> str:
        return "it printed nothing" if self._follower is None else self._follower.printed()

    def look(self) -> None:
        """Notes that the container has ended by itself: its log has, then."""
        if self._follower is None or self.ended is not None:
            return
        self._follower.look()
        if self._follower.ended is None:
            return
        seen = self._find()
        if seen is None or not seen.running:
            told = self._follower.ended
            code = -signal.SIGKILL if seen is None else seen.exit_code
            self.ended = SubjectEnd(code, told.monotonic_s, told.last_lines)

    async def stop(self) -> None:
        """Ends it: SIGTERM, after its patience SIGKILL; removes all that it brought. May run twice; raises WorldError."""
        rising, self._rising = self._rising, None
        if rising is None:
            return
        with suppress(WorldError):  # a thread cannot be interrupted, and what it still starts is to be removed
            await rising
        follower, self._follower = self._follower, None
        try:
            how, code = await asyncio.to_thread(self._end)
            if follower is not None:
                await self._read_to_the_end(follower)
                await follower.stop()
                self.over = {**follower.over, "how": how, "code": code}
        finally:
            await asyncio.to_thread(self._engine.remove_subject, self._stack)
            self._engine.close()
            (self._folder / OVERLAY_NAME).unlink(missing_ok=True)

    def _end(self) -> tuple[str, int | None]:
        """Stops the container, unless it has ended; how it ended, and its exit code."""
        seen = self._find()
        if seen is None or not seen.running:
            return "itself", None if seen is None else seen.exit_code
        self._engine.containers.stop(seen.id, math.ceil(self._order.stop_within_s))
        after = self._find()
        code = None if after is None else after.exit_code
        return ("SIGKILL" if code == KILLED else "SIGTERM"), code

    async def _read_to_the_end(self, follower: SubjectProcess) -> None:
        """Returns when all that the container printed is in the record."""
        end_s = time.monotonic() + LAST_WORDS_S
        while follower.ended is None and time.monotonic() < end_s:
            follower.look()
            await asyncio.sleep(POLL_S)
