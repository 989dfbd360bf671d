"""One episode of the crash matrix in a live world: a run or a load by hand that is struck, and what is left then.

A run's episode is a `brownout run` of one fault in a state folder of its own. When the fault's row reaches the drawn step, the
drawn processes are struck. Then the guardian has its bound, where one lives; the next command is `brownout status`, and the
last one `brownout down`. What of a stack can be killed, and how, is a world's `Ground`; everything else is alike in all worlds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.crash_experiment import experiment_of
from benchmarks.crash_faults import FAULTS
from benchmarks.stands import Home
from brownout.harness.base.statedir import ledger_path
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.run.live_session import LEASE_TTL_S

STEPS = ("up", "intended", "applied", "bitten", "reverting", "reverted", "healed")
OF_EVERY_RUN: tuple[tuple[str, ...], ...] = (("runner",), ("guardian",), ("runner", "guardian"), ("runner stopped",))
PROGRAM = Path(sys.executable).parent / "brownout"
INCONCLUSIVE, FAILED = 3, 4
LOAD_BEGUN = "load on stack"  # what its command says once the load is under way
SHOWS_WITHIN_S = 250.0  # real time for the effect of a fault by hand to show and to be gone: a key set may be cached for 120 s
LINGER_S = 20.0  # in which what belonged to a load that died has ended

Victim = int | str  # a process, or a container's id


@dataclass(frozen=True, slots=True)
class Ground:
    """A world in which runs and loads are struck.

    `parts` are the names of what `find` finds of a run's stack, and `loads` of what it finds of a load by hand. A guardian has
    `bound_s`, everything else `patience_s`. The clock of a run's stack starts at `warm_up`, or as soon as the run thinks right.
    Whether a stack is up is asked every `up_look_s`.
    """

    world: str
    parts: tuple[str, ...]
    loads: tuple[str, ...]
    aim: int
    patience_s: float
    bound_s: float
    warm_up: str
    late_s: tuple[float, ...]
    up_look_s: float
    is_up: Callable[[StackRecord], bool]
    find: Callable[[StackRecord, int], Mapping[str, Victim]]
    kill: Callable[[Victim], None]
    start_load: Callable[[Home, StackRecord], subprocess.Popen[bytes] | None]

    @property
    def victims(self) -> tuple[tuple[str, ...], ...]:
        """Who is struck together, in the order of the episodes."""
        singly = [(part,) for part in self.parts]
        paired = [("runner", part) for part in self.parts]
        loads = [(load,) for load in self.loads]
        return (*OF_EVERY_RUN, *(each for pair in zip(singly, paired, strict=True) for each in pair), *loads)


@dataclass(frozen=True, slots=True)
class Draw:
    """What an episode is: the fault, the step at which the victims are struck, and how long after the step was seen."""

    kind: str
    step: str
    victims: tuple[str, ...]
    late_s: float


@dataclass(slots=True)
class Aftermath:
    """How an episode ended. `problems` are promises that were broken; `unstruck` says why no blow fell, "" where one did."""

    problems: list[str] = field(default_factory=list)
    unstruck: str = ""
    healed_s: float | None = None
    run_code: int | None = None
    next_code: int = 0


def drawn(ground: Ground, number: int, seed: int) -> Draw:
    """The episode of that number; its victims go in turn, so that a sample of any size has all of them alike."""
    chance = random.Random(f"{ground.world} {seed} {number}")
    victims = ground.victims[number % len(ground.victims)]
    steps = STEPS[1:] if "locust" in victims else STEPS  # a run's load starts after its stack
    return Draw(chance.choice(sorted(FAULTS)), chance.choice(steps), victims, chance.choice(ground.late_s))


def carried_out(ground: Ground, home: Home, draw: Draw) -> Aftermath:
    """The episode in a state folder of its own."""
    kind = LoadEpisode if draw.victims[0] in ground.loads else RunEpisode
    return kind(ground, home, draw).carried_out()


class Episode:
    """What is struck, and what came after."""

    def __init__(self, ground: Ground, home: Home, draw: Draw) -> None:
        self._ground, self._home, self._draw, self._after = ground, home, draw, Aftermath()
        self._seen: set[str] = set()  # ids of the faults
        self._was_up = False

    def carried_out(self) -> Aftermath:
        """Carries it out; nothing of it runs afterwards."""
        try:
            self._carry_out()
            self._next_command()
        finally:
            self._take_down()
        return self._after

    def _carry_out(self) -> None:
        raise NotImplementedError

    def _command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of ours, whose output is in a log of its own."""
        with (self._home.folder / f"{arguments[0]}.log").open("wb") as log:
            return subprocess.Popen([str(PROGRAM), *arguments], stdout=log, stderr=log, start_new_session=True)

    def _said(self, command: str) -> str:
        """The end of what a command of ours printed."""
        return " ".join((self._home.folder / f"{command}.log").read_text(encoding="utf-8", errors="replace").split())[-300:]

    def _reached(self) -> bool:
        """Whether the fault's row has come to the step, or past it."""
        rows = self._rows()
        if self._draw.step == "up":
            return rows is not None
        order = {state: number for number, state in enumerate(STEPS)}
        return any(order.get(state, len(STEPS)) >= order[self._draw.step] for state in rows or ())

    def _rows(self) -> list[str] | None:
        """States of the faults of the stack; None before there is one that is up."""
        stack = self._stack()
        # An engine takes half a core to be asked all the time, so it is not asked again once it has said so.
        self._was_up = stack is not None and (self._was_up or self._ground.is_up(stack))
        if stack is None or not self._was_up:
            return None
        with Ledger(ledger_path()) as ledger:
            rows = ledger.faults(stack.id)
        self._seen |= {row.id for row in rows}
        return [row.state for row in rows]

    @staticmethod
    def _stack() -> StackRecord | None:
        if not ledger_path().exists():
            return None
        with Ledger(ledger_path()) as ledger:
            return next(iter(ledger.stacks()), None)

    def _victims(self) -> dict[str, Victim]:
        """What can be killed by now, by name."""
        found: dict[str, Victim] = {}
        for pid, line in self._ours().items():
            if "injection.guardian" in line:
                found["guardian"] = pid
            elif "locust" in line:
                found.setdefault(
                    "load worker" if "--worker" in line else "load master" if "--master" in line else "locust", pid
                )
        stack = self._stack()
        return found if stack is None else found | dict(self._ground.find(stack, len(self._draw.kind)))

    def _next_command(self) -> None:
        command = [str(PROGRAM), "status", "--json"]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=self._ground.patience_s)
        problems = self._after.problems
        self._after.next_code = told.returncode
        if told.returncode:
            problems.append(f"the next command ended with {told.returncode}: {told.stderr.strip()[-300:]}")
        else:
            problems += [f"still in place: {stack['faults']}" for stack in json.loads(told.stdout)["stacks"] if stack["faults"]]
        problems += [f"open in the ledger: {fault}" for fault in self._open()]
        with Ledger(ledger_path()) as ledger:
            for fault in sorted(self._seen):
                # That what carries the links has ended is not laid to the undo, which may have to ask over them.
                transitions = ledger.transitions(fault)
                stuck = [why for state, _, why in transitions if state == "stuck" and "and every link with it" not in why]
                problems += [f"{fault} counted as a failure to revert: {evidence}" for evidence in stuck]

    def _take_down(self) -> None:
        subprocess.run([str(PROGRAM), "down", "--all"], capture_output=True, check=False, timeout=self._ground.patience_s)
        if not eventually(lambda: not self._ours(), 15.0):
            self._after.problems.append(f"left running: {list(self._ours().values())[:3]}")
            for pid in self._ours():
                kill_process(pid)

    def _open(self) -> list[str]:
        with Ledger(ledger_path()) as ledger:
            return [fault.id for stack in ledger.stacks() for fault in ledger.open_faults(stack.id)]

    def _ours(self) -> dict[int, str]:
        """Living processes with this episode's state folder in their environment, but for this one."""
        wanted, found = f"BROWNOUT_HOME={self._home.folder}".encode(), {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables, line = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            if wanted in variables.split(b"\0") and line and int(process.name) != os.getpid():
                found[int(process.name)] = line.replace(b"\0", b" ").decode(errors="replace")
        return found


class RunEpisode(Episode):
    """A run that is struck, or what belongs to it."""

    def _carry_out(self) -> None:
        file = self._home.folder / "crash.yaml"
        made = experiment_of(self._draw.kind, warm_up=self._ground.warm_up)
        file.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
        out = str(self._home.folder)
        run = self._command("run", str(file), "--world", self._ground.world, "--no-canaries", "--out", out)
        patience_s = self._ground.patience_s
        try:
            eventually(lambda: self._rows() is not None or run.poll() is not None, patience_s, self._ground.up_look_s)
            known = self._victims()  # looked up ahead: a look takes longer than some steps
            eventually(lambda: self._reached() or run.poll() is not None, patience_s)
            if run.poll() is not None or not self._reached():
                self._after.unstruck = f"the run never came to {self._draw.step}, or had ended by then: {self._said('run')}"
            time.sleep(self._draw.late_s)
            self._strike(run, known)
            self._wait(run)
        finally:
            if run.poll() is None:
                run.kill()
            run.wait()

    def _strike(self, run: subprocess.Popen[bytes], known: Mapping[str, Victim]) -> None:
        found = self._victims() if "locust" in self._draw.victims else known
        for victim in self._draw.victims:
            if victim.startswith("runner"):
                run.send_signal(signal.SIGSTOP if victim == "runner stopped" else signal.SIGKILL)
            elif victim in found:
                self._ground.kill(found[victim])
            else:
                self._after.unstruck = self._after.unstruck or f"there was no {victim}"

    def _wait(self, run: subprocess.Popen[bytes]) -> None:
        """Returns when the run has ended, or its guardian has had its bound."""
        self._rows()
        began_s = time.monotonic()
        if "runner" in self._draw.victims:
            run.wait()
            if "guardian" not in self._draw.victims:
                if eventually(lambda: not self._open(), self._ground.bound_s):
                    self._after.healed_s = time.monotonic() - began_s
                else:
                    self._after.problems.append(f"the guardian had not healed after {self._ground.bound_s:g} s")
            return
        if "runner stopped" in self._draw.victims:
            time.sleep(LEASE_TTL_S + 1)
            if not eventually(lambda: not self._in_place(), self._ground.bound_s):
                self._after.problems.append("a stopped run was not healed by its guardian")
            run.send_signal(signal.SIGCONT)
        if not eventually(lambda: run.poll() is not None, self._ground.patience_s):
            self._after.problems.append("the run did not end")
        self._after.run_code = run.poll()
        self._judge_verdict()

    def _judge_verdict(self) -> None:
        """A run whose load died proves nothing, and says so."""
        if "locust" in self._draw.victims and not self._after.unstruck and self._after.run_code != INCONCLUSIVE:
            self._after.problems.append(f"its load died, and it ended with {self._after.run_code}: {self._said('run')}")

    def _in_place(self) -> list[str]:
        """Open faults that a carrier holds. A run that was stopped in the middle of a change of the ledger keeps rows open."""
        opened = self._open()
        if not opened:
            return []
        with Ledger(ledger_path()) as ledger:
            surveys = [asyncio.run(world_of(stack).survey()) for stack in ledger.stacks()]
        held = {fault for survey in surveys for holds in survey.holds.values() for fault in holds}
        return [fault for fault in opened if fault in held or any(survey.silent for survey in surveys)]


class LoadEpisode(Episode):
    """A load by hand with several workers on a standing stack that has a fault by hand; a part of the load is struck.

    The fault is of no concern to the load's death: it is undone when its time is over. A load that lost a worker ends as
    inconclusive and one that lost its master as failed; nothing of either goes on.
    """

    def _carry_out(self) -> None:
        patience_s = self._ground.patience_s
        up = self._command("up", "--world", self._ground.world, "--stack-file", str(self._home.folder / "stack.json"))
        if up.wait(patience_s) != 0:
            self._after.unstruck = f"the stack did not come up: {self._said('up')}"
            return
        stack = self._stack()
        assert stack is not None, "`up` has entered it"
        load = self._ground.start_load(self._home, stack)
        try:
            eventually(lambda: {"load master", "load worker"} <= self._victims().keys(), patience_s)
            eventually(lambda: load is None or load.poll() is not None or LOAD_BEGUN in self._said("load"), patience_s)
            self._inject_and_strike(load)
            if load is not None:
                self._wait_for(load)
        finally:
            if load is not None and load.poll() is None:
                load.kill()
                load.wait()

    def _inject_and_strike(self, load: subprocess.Popen[bytes] | None) -> None:
        patience_s, known = self._ground.patience_s, self._victims()
        words = [f"--with={name}={_spoken(value)}" for name, value in FAULTS[self._draw.kind].items()]
        inject = self._command("inject", self._draw.kind, *words, "--for", "5s")
        try:
            eventually(lambda: self._reached() or inject.poll() is not None, patience_s + SHOWS_WITHIN_S)
            if not self._reached():
                self._after.unstruck = f"the fault never came to {self._draw.step}: {self._said('inject')}"
            time.sleep(self._draw.late_s)
            (victim,) = self._draw.victims
            if load is not None and load.poll() is not None:
                self._after.unstruck = self._after.unstruck or f"the load had ended by then: {self._said('load')}"
            elif victim == "load command" and load is not None:
                load.kill()
            elif victim in known:
                self._ground.kill(known[victim])
            else:
                self._after.unstruck = f"there was no {victim}"
            if not eventually(lambda: inject.poll() is not None, patience_s + SHOWS_WITHIN_S):
                self._after.problems.append("the fault by hand did not end")
        finally:
            if inject.poll() is None:
                inject.kill()
            inject.wait()
        self._rows()

    def _wait_for(self, load: subprocess.Popen[bytes]) -> None:
        """Returns when the load's command has ended as it must, and with it all that belonged to it."""
        if not eventually(lambda: load.poll() is not None, self._ground.patience_s):
            self._after.problems.append("the load did not end")
        killed = "load command" in self._draw.victims
        self._after.run_code = None if killed else load.poll()
        if not killed and not self._after.unstruck and load.poll() not in (INCONCLUSIVE, FAILED):
            self._after.problems.append(f"a part of the load died, and it ended with {load.poll()}: {self._said('load')}")
        if not eventually(lambda: not any("locust" in line for line in self._ours().values()), LINGER_S):
            self._after.problems.append(f"processes of the load go on {LINGER_S:g} s after it")


def _spoken(value: object) -> str:
    """A parameter as `--with` reads it: text as it is, anything else as YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def kill_process(pid: Victim) -> None:
    """Kills it where it still runs."""
    with suppress(ProcessLookupError):  # it has ended by now
        os.kill(int(pid), signal.SIGKILL)


def eventually(true: Callable[[], bool], within_s: float, every_s: float = 0.01) -> bool:
    """Whether it became true in time."""
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(every_s)
    return True


def load_command(home: Home) -> subprocess.Popen[bytes]:
    """A load by hand in processes of this machine."""
    words = ("load", "--workers", "2", "--headless", "--rate", "20", "--for", "20s")
    with (home.folder / "load.log").open("wb") as log:
        return subprocess.Popen([str(PROGRAM), *words], stdout=log, stderr=log, start_new_session=True)
