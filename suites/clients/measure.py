"""Measures clients on a real stack: each acquisition has a machine of its own, so that all can be under way at once.

The answer is forced by the fault `imds-answer` on that machine alone. How often IMDS was asked is the host's own count.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from brownout.faults.imds_answer import ImdsAnswer
from brownout.harness.base.processes import await_true
from brownout.harness.client_env.stack_file import make_stack_file, write_stack_file
from brownout.harness.effects import LinkEffect
from brownout.harness.errors import BrownoutError, WorldError
from brownout.harness.fault import node_state
from brownout.harness.world import Carrier
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from brownout.suites.clients.answers import AGES, Answer
from brownout.suites.clients.programs import others, python_cases
from brownout.suites.clients.programs.acquisition import Acquisition, ClientStory
from brownout.suites.clients.programs.others import Program
from brownout.suites.clients.programs.python_cases import ClientStep, PythonCase
from brownout.suites.clients.records import ClientMeasurement

PYTHON = python_cases.KINDS
CLIENTS = (*PYTHON, *others.BUILDS)
BROWNOUT = Path(sys.executable).parent / "brownout"
PACE = 50.0  # of Python's clients, whose waits are told and not seen
AT_ONCE = 12  # processes of others that are on their way; those that wait for the answers do not count
TRIES = 5
TIMEOUT_S = 600.0
WorkResult = TypeVar("WorkResult")


@dataclass(frozen=True, slots=True)
class Case:
    """One client on one machine. With an `age` it has a token first, and asks again once the answer is in force."""

    client: str
    answer: Answer
    machine: str
    age: str = ""

    @property
    def region(self) -> str:
        return "melbourne" if self.answer.refused else "sydney"


def cases_of(clients: Sequence[str], answers: Sequence[Answer], outages: Sequence[Answer], aged: Sequence[str]) -> list[Case]:
    """A case without a token for each client and answer; for each of `aged` and each outage one with a token of each age."""
    cold = [(client, answer, "") for client in clients for answer in answers]
    old = [(client, answer, age) for client in aged for answer in outages for age in AGES]
    return [Case(client, answer, f"vm-{number + 1}", age) for number, (client, answer, age) in enumerate(cold + old)]


async def measure(cases: Sequence[Case], programs: Mapping[str, Program], folder: Path) -> tuple[ClientMeasurement, ...]:
    """What every case came to, on a stack that is brought up in `folder` and taken down; raises BrownoutError."""
    machines = {case.machine: {"region": case.region} for case in cases}
    spec = build_stack(seed=1, machines=machines)
    binary = toxiproxy_server(say=lambda _: None)
    world = ProcessesWorld(spec, folder=folder / "stack", epoch_s=time.time(), rate=1.0, toxiproxy_binary=binary)
    await world.start()
    try:
        return await _Measuring(world, programs, folder).all(cases)
    finally:
        await world.stop()


class _Measuring:
    """The measuring of cases in one world."""

    def __init__(self, world: ProcessesWorld, programs: Mapping[str, Program], folder: Path) -> None:
        self._world, self._programs, self._folder = world, programs, folder
        self._resume = folder / "resume"
        file = make_stack_file("clients", world.spec, world="processes", endpoints=world.endpoints(), user_token="", clock={})
        write_stack_file(folder / "stack.json", file)

    async def all(self, cases: Sequence[Case]) -> tuple[ClientMeasurement, ...]:
        """Cases without a token begin in the fault; others get theirs before it."""
        aged, cold = [case for case in cases if case.age], [case for case in cases if not case.age]
        first_of_each = {case.client: case for case in reversed(cold) if case.client not in PYTHON}
        await self._in_threads(self._first, list(first_of_each.values()), AT_ONCE)
        running = asyncio.ensure_future(self._stories(aged, at_once=max(1, len(aged))))
        try:
            await asyncio.to_thread(self._await_begun, aged, running.done)
            before = await self._break(cases)
        finally:
            self._resume.touch()  # also where it failed: a process that waits for it would wait for long
        stories = await running | await self._stories(cold, AT_ONCE)
        after = await self._counts()
        return tuple(
            _row(case, stories[case.machine], after.get(case.machine, 0) - before.get(case.machine, 0)) for case in cases
        )

    async def _break(self, cases: Sequence[Case]) -> Mapping[str, int]:
        """Puts every answer in force; how often IMDS was asked until then."""
        for number, case in enumerate(cases):
            if case.answer.fault:
                fault = ImdsAnswer(region=case.region, machine=case.machine, **case.answer.fault)
                await self._apply(fault, f"m-{number}")
        await self._world.hold(Carrier("link", "client->melbourne.host"), "m-refuse", LinkEffect("refuse"))
        return await self._counts()

    async def _apply(self, fault: ImdsAnswer, fault_id: str) -> None:
        """Applied again where a busy node did not answer in time: the same fault twice is one."""
        for left in reversed(range(TRIES)):
            try:
                await fault.apply(self._world, fault_id)
                return
            except WorldError:
                if not left:
                    raise

    async def _counts(self) -> Mapping[str, int]:
        """How often IMDS was asked by each machine that reaches it throughout."""
        counts: Mapping[str, int] = (await node_state(self._world, "sydney.host"))["imds_requests"]
        return counts

    def _begun(self, case: Case) -> Path:
        """The file by which a client says that it has its first token."""
        return python_cases.done_file(self._folder, case.machine, 0)

    def _await_begun(self, aged: Sequence[Case], or_when: Callable[[], bool]) -> None:
        """Until every one of them has its first token."""
        await_true(lambda: or_when() or all(self._begun(case).exists() for case in aged), TIMEOUT_S)

    async def _stories(self, cases: Sequence[Case], at_once: int) -> dict[str, ClientStory]:
        """By machine: all of Python's are begun by one process, each of the others is one of its own."""
        python, rest = [case for case in cases if case.client in PYTHON], [case for case in cases if case.client not in PYTHON]
        told = await asyncio.gather(
            asyncio.to_thread(self._python, python, at_once), self._in_threads(self._other, rest, at_once)
        )
        return told[0] | {case.machine: story for case, story in zip(rest, told[1], strict=True)}

    async def _in_threads(self, work: Callable[[Case], WorkResult], cases: Sequence[Case], at_once: int) -> list[WorkResult]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(at_once) as pool:
            return await asyncio.gather(*(loop.run_in_executor(pool, work, case) for case in cases))

    def _base(self, case: Case) -> str:
        return f"{self._world.endpoints().clients[f'{case.region}.host']}/{case.machine}"

    def _python(self, cases: Sequence[Case], at_once: int) -> dict[str, ClientStory]:
        if not cases:
            return {}
        asked = [
            PythonCase(
                case.machine,
                case.client,
                {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self._base(case)},
                (ClientStep(), ClientStep(str(self._resume), AGES[case.age])) if case.age else (ClientStep(),),
                PACE,
            )
            for case in cases
        ]
        with python_cases.start(asked, self._folder, at_once=at_once) as started:
            started.wait(TIMEOUT_S)
        return {case.machine: python_cases.read_story(self._folder, case.machine) for case in cases}

    def _other(self, case: Case) -> ClientStory:
        steps = self._command(case, self._programs[case.client].argv)
        return ClientStory(steps[0]["version"], tuple(Acquisition(each["error"], each["seconds"]) for each in steps))

    def _first(self, case: Case) -> None:
        """What a client runs once while IMDS is still well, on the machine of one of its cases."""
        first = self._programs[case.client].first
        if not first:
            return
        if self._command(case, first)[-1]["error"]:
            raise BrownoutError(f"the client {case.client} on {case.machine} could not begin")
        self._settings(case.machine).rename(self._settings(case.client))

    def _settings(self, name: str) -> Path:
        """The folder in which a client on a machine, or what it runs first, keeps its settings."""
        return self._folder / f"{name}.azure"

    def _command(self, case: Case, argv: Sequence[str]) -> list[dict[str, Any]]:
        """What a command on the case's machine tells; raises BrownoutError for one that fails."""
        program = self._programs[case.client]
        if self._settings(case.client).exists():
            shutil.copytree(self._settings(case.client), self._settings(case.machine))
        own = {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": self._base(case),
            "AZURE_CONFIG_DIR": str(self._settings(case.machine)),
        }
        if case.age:
            clock = self._folder / f"{case.machine}.clock"
            clock.write_bytes(bytes(8))
            own |= {"BEGUN": str(self._begun(case)), "RESUME": str(self._resume), "SHIFT_S": str(AGES[case.age])}
            own["CLOCK_FILE"] = str(clock)
            argv = (*program.ages_with, *argv)
        if program.on_machine:
            place = ["exec", "--machine", case.machine, "--stack-file", str(self._folder / "stack.json")]
            argv = [str(BROWNOUT), *place, *(["--names"] if program.names else []), "--", *argv]
        told = subprocess.run(
            argv, env=os.environ | program.environment | own, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        lines = told_in(told.stdout)
        if told.returncode != 0 or not lines:
            raise BrownoutError(f"the client {case.client} on {case.machine} fails: {told.stderr[-2000:]}")
        return lines


def told_in(output: str) -> list[dict[str, Any]]:
    """The program's own lines of what it prints, one for each acquisition; Java's SDK logs to standard output between them."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _row(case: Case, story: ClientStory, requests: int) -> ClientMeasurement:
    """The last acquisition counts; one with a token has had its first before."""
    assert len(story.acquisitions) == (2 if case.age else 1), case
    *before, last = story.acquisitions
    if any(each.error for each in before):
        raise BrownoutError(f"the client {case.client} got no first token: {before}")
    today = datetime.now(UTC).date().isoformat()
    seen = None if case.answer.refused else requests
    return ClientMeasurement(
        case.client, story.version, case.answer.name, case.age, seen, round(float(last.seconds), 1), last.error, today
    )
