"""The crash matrix sampled on real processes: SIGKILL and SIGSTOP at steps of a run that a seed draws, and what is left then.

An episode is a `brownout run` of one fault in a state folder of its own. When the fault's row reaches the drawn step, the drawn
processes are struck. Then the guardian has its bound, where one lives; the next command is `brownout status`, and the last one
`brownout down`.
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
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import yaml

from benchmarks.crash_experiment import experiment_of
from benchmarks.crash_faults import FAULTS
from benchmarks.report import Benchmark, Figures, Part, Row, Spread
from benchmarks.stands import Home, own_home
from brownout.harness.base.statedir import ledger_path
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.worlds.processes.stack import RECORD_NAME, read_process_stack

STEPS = ("up", "intended", "applied", "bitten", "reverting", "reverted", "healed")
VICTIMS: tuple[tuple[str, ...], ...] = (
    ("runner",),
    ("guardian",),
    ("runner", "guardian"),
    ("runner stopped",),
    ("toxiproxy",),
    ("runner", "toxiproxy"),
    ("parent",),
    ("runner", "parent"),
    ("node",),
    ("runner", "node"),
    ("locust",),
    ("runner", "locust"),
)
BOUND_S, PATIENCE_S = LEASE_TTL_S + 20.0, 90.0  # of the guardian; of everything else, on a busy machine
PROGRAM = Path(sys.executable).parent / "brownout"


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """So many episodes, each drawn by `seed` and its number, and `jobs` of them side by side."""

    kills: int
    seed: int = 1
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Draw:
    kind: str
    step: str
    victims: tuple[str, ...]
    late_s: float  # after the step was seen


@dataclass(slots=True)
class Aftermath:
    problems: list[str] = field(default_factory=list)
    healed_s: float | None = None
    run_code: int | None = None
    next_code: int = 0


class EpisodeRow(Part):
    """All episodes with one set of victims."""

    whom: str
    episodes: int
    broken: int
    run_codes: Mapping[str, int]
    next_codes: Mapping[str, int]


class ProcessFigures(Figures):
    """`healed_s` is real time from the blow until the ledger is closed, where the guardian alone healed."""

    struck: tuple[EpisodeRow, ...]
    healed_s: Spread | None
    problems: tuple[str, ...]


def drawn(number: int, seed: int) -> Draw:
    """The episode of that number; its victims go in turn, so that a sample of any size has all of them alike."""
    chance = random.Random(f"{seed} {number}")
    kinds = sorted(FAULTS)
    return Draw(chance.choice(kinds), chance.choice(STEPS), VICTIMS[number % len(VICTIMS)], chance.choice((0.0, 0.02, 0.2)))


def measure(settings: ProcessSettings) -> ProcessFigures:
    ended: list[tuple[Draw, Aftermath]] = []
    draws = [drawn(number, settings.seed) for number in range(settings.kills)]
    # Each in a process of its own, since a state folder is named by the environment; forked, so that none is imported anew.
    with ProcessPoolExecutor(settings.jobs, mp_context=get_context("fork")) as pool:
        for number, (draw, after) in enumerate(zip(draws, pool.map(carried_out, draws), strict=True), 1):
            ended.append((draw, after))
            print(f"{number} of {settings.kills}: {draw}: {'; '.join(after.problems) or 'kept'}", file=sys.stderr, flush=True)
    return figures_of(ended)


def figures_of(ended: list[tuple[Draw, Aftermath]]) -> ProcessFigures:
    """The episodes by their victims."""
    told: dict[str, list[Aftermath]] = {}
    for draw, after in ended:
        told.setdefault(" and ".join(draw.victims), []).append(after)
    problems = [f"{draw}: {problem}" for draw, after in ended for problem in after.problems]
    healed_s = [after.healed_s for found in told.values() for after in found if after.healed_s is not None]
    return ProcessFigures(
        struck=tuple(_row(whom, found) for whom, found in told.items()),
        healed_s=Spread.of(healed_s) if healed_s else None,
        problems=tuple(problems),
    )


def carried_out(draw: Draw) -> Aftermath:
    """The episode on a stack of its own, in a state folder of its own."""
    with own_home() as home:
        return Episode(home, draw).carried_out()


def _row(whom: str, found: list[Aftermath]) -> EpisodeRow:
    return EpisodeRow(
        whom=whom,
        episodes=len(found),
        broken=sum(bool(after.problems) for after in found),
        run_codes=Counter("killed" if after.run_code is None else str(after.run_code) for after in found),
        next_codes=Counter(str(after.next_code) for after in found),
    )


class Episode:
    """One run that is struck, and what came after, in the world `processes`; others have their own victims."""

    world, patience_s, bound_s = "processes", PATIENCE_S, BOUND_S

    def __init__(self, home: Home, draw: Draw) -> None:
        self._home, self._draw, self._after = home, draw, Aftermath()
        self._seen: set[str] = set()  # ids of the faults
        self._file = home.folder / "crash.yaml"
        self._file.write_text(yaml.safe_dump(experiment_of(draw.kind), sort_keys=False), encoding="utf-8")

    def carried_out(self) -> Aftermath:
        log = (self._home.folder / "run.log").open("wb")
        command = [
            str(PROGRAM),
            "run",
            str(self._file),
            "--world",
            self.world,
            "--no-canaries",
            "--out",
            str(self._home.folder),
        ]
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _eventually(lambda: self._rows() is not None or run.poll() is not None, self.patience_s)
            known = self._pids()  # looked up ahead: a look takes longer than some steps
            _eventually(lambda: self._reached() or run.poll() is not None, self.patience_s)
            if run.poll() is not None or not self._reached():
                self._after.problems.append(f"the run was not struck: it never came to {self._draw.step}, or had ended by then")
            time.sleep(self._draw.late_s)
            self._strike(run, known)
            self._wait(run)
            self._next_command()
        finally:
            if run.poll() is None:
                run.kill()
            run.wait()
            log.close()
            self._take_down()
        return self._after

    def _reached(self) -> bool:
        """Whether the fault's row has come to the step, or past it."""
        rows = self._rows()
        if self._draw.step == "up":
            return rows is not None
        order = {state: number for number, state in enumerate(STEPS)}
        return any(order.get(state, len(STEPS)) >= order[self._draw.step] for state in rows or ())

    def _rows(self) -> list[str] | None:
        """States of the faults of the run's stack; None before it has one that is up."""
        if not ledger_path().exists():
            return None
        with Ledger(ledger_path()) as ledger:
            stacks = ledger.stacks()
            if not stacks or not self.is_up(stacks[0]):
                return None
            rows = ledger.faults(stacks[0].id)
        self._seen |= {row.id for row in rows}
        return [row.state for row in rows]

    def is_up(self, stack: StackRecord) -> bool:
        """Whether its nodes run."""
        return _has_nodes(stack.folder)

    def kill(self, victim: int | str) -> None:
        """Kills what `parts` or `own_pids` named."""
        _kill(int(victim))

    def parts(self) -> dict[str, int | str]:
        """What of the stack can be killed, by the name of the victim."""
        found: dict[str, int | str] = {}
        with Ledger(ledger_path()) as ledger:
            for stack in ledger.stacks():
                running = read_process_stack(stack.folder)
                found |= {"parent": running.daemon.pid, "toxiproxy": running.sidecars[0].pid}
                nodes = [pid for pid in _children(running.daemon.pid) if pid != running.sidecars[0].pid]
                found["node"] = nodes[len(self._draw.kind) % len(nodes)]
        return found

    def _strike(self, run: subprocess.Popen[bytes], known: Mapping[str, int | str]) -> None:
        found = self._pids() if "locust" in self._draw.victims else known  # the load starts after the stack
        for victim in self._draw.victims:
            if victim.startswith("runner"):
                run.send_signal(signal.SIGSTOP if victim == "runner stopped" else signal.SIGKILL)
            elif victim in found:
                self.kill(found[victim])

    def _pids(self) -> dict[str, int | str]:
        pids: dict[str, int | str] = {}
        for pid, line in self._ours().items():
            if "injection.guardian" in line:
                pids["guardian"] = pid
            elif "locust" in line:
                pids.setdefault("locust", pid)
        return pids | self.parts()

    def _wait(self, run: subprocess.Popen[bytes]) -> None:
        """Returns when the run has ended, or its guardian has had its bound."""
        self._rows()
        began_s = time.monotonic()
        if "runner" in self._draw.victims:
            run.wait()
            if "guardian" not in self._draw.victims:
                if _eventually(lambda: not self._open(), self.bound_s):
                    self._after.healed_s = time.monotonic() - began_s
                else:
                    self._after.problems.append(f"the guardian had not healed after {self.bound_s:g} s")
            return
        if "runner stopped" in self._draw.victims:
            time.sleep(LEASE_TTL_S + 1)
            if not _eventually(lambda: not self._in_place(), self.bound_s):
                self._after.problems.append("a stopped run was not healed by its guardian")
            run.send_signal(signal.SIGCONT)
        if not _eventually(lambda: run.poll() is not None, self.patience_s):
            self._after.problems.append("the run did not end")
        self._after.run_code = run.poll()

    def _open(self) -> list[str]:
        with Ledger(ledger_path()) as ledger:
            return [fault.id for stack in ledger.stacks() for fault in ledger.open_faults(stack.id)]

    def _in_place(self) -> list[str]:
        """Open faults that a carrier holds. A run that was stopped in the middle of a change of the ledger keeps rows open."""
        opened = self._open()
        if not opened:
            return []
        with Ledger(ledger_path()) as ledger:
            surveys = [asyncio.run(world_of(stack).survey()) for stack in ledger.stacks()]
        held = {fault for survey in surveys for holds in survey.holds.values() for fault in holds}
        return [fault for fault in opened if fault in held or any(survey.silent for survey in surveys)]

    def _next_command(self) -> None:
        told = subprocess.run(
            [str(PROGRAM), "status", "--json"], capture_output=True, text=True, check=False, timeout=self.patience_s
        )
        self._after.next_code = told.returncode
        if told.returncode:
            self._after.problems.append(f"the next command ended with {told.returncode}: {told.stderr.strip()[-300:]}")
        else:
            self._after.problems += [
                f"still in place: {stack['faults']}" for stack in json.loads(told.stdout)["stacks"] if stack["faults"]
            ]
        self._after.problems += [f"open in the ledger: {fault}" for fault in self._open()]
        with Ledger(ledger_path()) as ledger:
            for fault in sorted(self._seen):
                stuck = [evidence for state, _, evidence in ledger.transitions(fault) if state == "stuck"]
                self._after.problems += [f"{fault} counted as a failure to revert: {evidence}" for evidence in stuck]

    def _take_down(self) -> None:
        subprocess.run([str(PROGRAM), "down", "--all"], capture_output=True, check=False, timeout=self.patience_s)
        if not _eventually(lambda: not self._ours(), 15.0):
            self._after.problems.append(f"left running: {list(self._ours().values())[:3]}")
            for pid in self._ours():
                _kill(pid)

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


def _has_nodes(folder: Path) -> bool:
    if not (folder / RECORD_NAME).exists():
        return False
    running = read_process_stack(folder)
    return bool(running.sidecars) and len(_children(running.daemon.pid)) > len(running.sidecars)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has ended by now
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:  # it has ended
        return []


def _eventually(true: Callable[[], bool], within_s: float) -> bool:
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def rows(figures: ProcessFigures) -> tuple[Row, ...]:
    return rows_towards(figures, 300, BOUND_S)


def rows_towards(figures: ProcessFigures, aim: int, bound_s: float) -> tuple[Row, ...]:
    """The rows of a world in which so many episodes are wanted, and guardians have so long."""
    episodes, broken = sum(one.episodes for one in figures.struck), sum(one.broken for one in figures.struck)
    told = [Row("episodes", f"{episodes}, {broken} with a promise broken", f"{aim}, none broken")]
    for one in figures.struck:
        codes = ", ".join(f"{code}: {times}" for code, times in sorted(one.run_codes.items()))
        after = ", ".join(f"{code}: {times}" for code, times in sorted(one.next_codes.items()))
        told.append(
            Row(
                f"- {one.whom}",
                f"{one.episodes}, {one.broken} broken; the run's exit codes {codes}; the next command's {after}",
            )
        )
    if figures.healed_s is not None:
        value = f"{figures.healed_s.median:g} s (up to {figures.healed_s.high:g}, {figures.healed_s.rounds} episodes)"
        told.append(Row("from a kill of the run to healed by its guardian alone", value, f"under {bound_s:g} s"))
    return (*told, *(Row("broken", problem) for problem in dict.fromkeys(" ".join(each.split()) for each in figures.problems)))


BENCHMARK = Benchmark(
    name="crash_processes",
    title="The same on real processes",
    about="Runs of one fault each on a stack of processes, struck by SIGKILL or SIGSTOP at a step that a seed draws.",
    figures=ProcessFigures,
    measure=measure,
    rows=rows,
    full=ProcessSettings(kills=12),
    tiny=ProcessSettings(kills=1),
    long=ProcessSettings(kills=300),
)
