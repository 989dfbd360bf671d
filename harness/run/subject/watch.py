"""The subject of a run in a live world: started before the load, looked at while the run waits, ended before the stack is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from brownout.harness.base.ports import NoPortError, ephemeral_port
from brownout.harness.client_env.stack_file import StackFile
from brownout.harness.errors import WorldError
from brownout.harness.experiment.subject import Subject
from brownout.harness.load.arrivals import LoadPlan, SubjectPlace
from brownout.harness.load.models.asks import SUBJECT, words_of
from brownout.harness.run.journal import Journal
from brownout.harness.run.subject.calls import SubjectCalls
from brownout.harness.subject.environment import folder_of, placed, secrets_of, stack_content, url_of, variables
from brownout.harness.subject.keeper import KeeperOrder
from brownout.harness.subject.process import SubjectEnd, SubjectProcess
from brownout.harness.world import LiveWorld
from brownout.identity.core.topology import CLIENT, Link
from brownout.identity.server.clock import Clock

STAYED = "the subject ran until the run was over"


def _with_subject(plan: LoadPlan, url: str, place: SubjectPlace) -> LoadPlan:
    """The plan with where its clients find the subject; words of their commands get their values here."""
    port = urlsplit(url).port or 0
    cohorts = tuple(
        cohort
        if cohort.command is None
        else cohort.model_copy(update={"command": {**cohort.command.model_dump(), "run": _placed(cohort.command.run, port)}})
        for cohort in plan.cohorts
    )
    urls = {**plan.urls, str(Link(CLIENT, SUBJECT)): url}
    return plan.model_copy(update={"urls": urls, "subject": place, "cohorts": cohorts})


def _placed(command: str | tuple[str, ...], port: int) -> tuple[str, ...]:
    return tuple(placed(word, port) for word in words_of(command))


class RunningSubject(Protocol):
    """What a run asks of its subject, a process or a container: `ended` by itself, and what was `over` at its end."""

    ended: SubjectEnd | None
    over: Mapping[str, Any]

    @property
    def environment(self) -> Mapping[str, str]: ...

    def start(self) -> None: ...

    async def await_ready(self, within_s: float) -> float: ...

    def look(self) -> None: ...

    async def stop(self) -> None: ...


class SubjectWatch:
    """One subject and what the history says of it; without a `subject` it does nothing at all.

    `traceparent` is what its clients name as the trace that they are part of, "" for none.
    Events of the kind `subject`: `ready` (its URL, how long it took), `ended` when it ended by itself, `over` at its end.
    """

    def __init__(
        self, subject: Subject | None, world: LiveWorld, stack_id: str, journal: Journal, *, traceparent: str = ""
    ) -> None:
        self._traceparent = traceparent
        self._subject, self._world, self._stack_id, self._journal = subject, world, stack_id, journal
        self._process: RunningSubject | None = None
        self._calls = SubjectCalls(world, journal)
        self._told_end = False

    async def start(self, plan: LoadPlan, record: Path) -> LoadPlan:
        """Starts the subject and awaits that it is ready; the plan with its URL. Raises WorldError and UsageError."""
        subject = self._subject
        if subject is None:
            return plan
        try:
            port = ephemeral_port()
        except (OSError, NoPortError) as none:
            raise WorldError(
                f"there is no free port for the subject: {none}", hint="`brownout doctor` shows the limits"
            ) from none
        stack = await stack_content(self._stack_id, self._world)
        await self._calls.begin()
        self._process = await self._made(subject, stack, port, record)
        self._process.start()
        took_s = await self._process.await_ready(subject.ready_within_s)
        detail = {"url": url_of(port), "took_s": round(took_s, 3), "service": "" if stack.inside is None else subject.service}
        self._journal.event("subject", "ready", detail=detail)
        folder = str(folder_of(subject))
        place = SubjectPlace(folder=folder, environment=self._process.environment, traceparent=self._traceparent)
        return _with_subject(plan, url_of(port), place)

    async def _made(self, subject: Subject, stack: StackFile, port: int, record: Path) -> RunningSubject:
        """The subject, not yet started: a container where the stack is in containers, else a process."""
        environment, ready = variables(subject, stack, port), placed(subject.ready, port)
        if stack.inside is not None:
            from brownout.harness.subject.joining import joined_container  # Docker's client is an extra

            made = partial(joined_container, subject, stack, port, record=record, environment=environment)
            return await asyncio.to_thread(made, self._world.folder)
        order = KeeperOrder(
            command=_placed(subject.words, port),
            folder=str(folder_of(subject)),
            environment=environment,
            stop_within_s=subject.stop_within_s,
            record=str(record),
            secrets=secrets_of(stack, environment),
        )
        return SubjectProcess(order, ready, self._world.folder)

    def look(self) -> str:
        """Records the subject's end, where it ended by itself; a sentence about it the first time, else ""."""
        if self._process is None:
            return ""
        self._process.look()
        ended = self._process.ended
        if ended is None or self._told_end:
            return ""
        self._told_end = True
        at_s = self._emulated(ended)
        detail = {"code": ended.code, "at_s": round(at_s, 3), "last_lines": ended.last_lines}
        self._journal.event("subject", "ended", detail=detail)
        return f"the subject {ended}"

    def _emulated(self, ended: SubjectEnd) -> float:
        record = {key: float(value) for key, value in self._world.clock_record().items()}
        return Clock.from_record(record).emulated_at(ended.monotonic_s)

    async def stop(self) -> None:
        """Ends the subject with all that it started, and records how; raises WorldError when something of it is left."""
        process = self._process
        if process is None:
            return
        self.look()
        await self._calls.stop()
        if process.ended is None:
            self._journal.gate("subject", passed=True, reason=STAYED)
        else:
            at = self._clock_time(self._emulated(process.ended))
            last = process.ended.last_lines.splitlines()
            said = f"; the last that it printed: {last[-1]}" if last else ""
            self._journal.gate("subject", passed=False, reason=f"the subject {process.ended} at {at}{said}")
        self._process = None
        try:
            await process.stop()
        finally:
            over = process.over
            detail = {
                key: over[key] for key in ("how", "code", "left", "written_bytes", "dropped_bytes", "problem") if key in over
            }
            self._journal.event("subject", "over", detail=detail)

    def _clock_time(self, at_s: float) -> str:
        seconds = round(at_s) % 86_400
        return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
