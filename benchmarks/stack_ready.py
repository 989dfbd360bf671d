"""How long a stack of local processes takes from nothing to ready, where that time goes, and what memory it has then."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from benchmarks.costs import memory_bytes
from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import ROOT, Home, own_home, stack_pids
from brownout.harness.worlds.processes import stack as process_stack

MEGABYTE = 1_000_000
# Parts of bringing a stack up, in their order, by the function of brownout.harness.worlds.processes.stack that does each.
STAGES: Mapping[str, str] = {
    "spawn_s": "_spawn",
    "ports_and_toxiproxy_started_s": "_await_report",
    "toxiproxy_answers_s": "_await_toxiproxy",
    "links_made_s": "_make_links",
    "nodes_launched_s": "ask",
}
HEALTH, REST = "health_and_snapshots_s", "rest_s"
_IMPORT_TIMER = """
import time
started_s = time.perf_counter()
from brownout.harness.worlds.processes.daemon import import_node_code
import_node_code()
print(time.perf_counter() - started_s)
"""


@dataclass(frozen=True, slots=True)
class Settings:
    rounds: int = 9
    command_rounds: int = 3


class StackReady(Figures):
    """`ready_s` counts from the start to every node being ready with its first snapshot, in a program that has its imports.

    `stages` are the parts of it (those of one round add up to it). `launched` waits for the import of the nodes' code,
    which goes on while the links are made; `node_code_import_s` is that import alone, in a new process.
    `up_command_s` is the whole `brownout up`, Python's own start and imports included.
    """

    nodes: int
    processes: int
    ready_s: Spread
    stages: Mapping[str, Spread]
    node_code_import_s: Spread
    up_command_s: Spread
    stop_s: Spread
    pss_mb: Spread
    rss_mb: Spread
    pss_by_role_mb: Mapping[str, Spread]


@dataclass(frozen=True, slots=True)
class Round:
    nodes: int
    ready_s: float
    stop_s: float
    stages: Mapping[str, float]
    pss: Mapping[str, int]
    rss: Mapping[str, int]


def measure(settings: Settings) -> StackReady:
    with own_home() as home:
        rounds = [asyncio.run(_round(home, f"stack-{number}")) for number in range(settings.rounds)]
        up_s = [_up_command_s(home) for _ in range(settings.command_rounds)]
    return StackReady(
        nodes=rounds[0].nodes,
        processes=len(rounds[0].pss),
        ready_s=Spread.of(each.ready_s for each in rounds),
        stages={name: Spread.of(each.stages[name] for each in rounds) for name in rounds[0].stages},
        node_code_import_s=Spread.of(_import_s() for _ in range(settings.command_rounds)),
        up_command_s=Spread.of(up_s),
        stop_s=Spread.of(each.stop_s for each in rounds),
        pss_mb=Spread.of(sum(each.pss.values()) / MEGABYTE for each in rounds),
        rss_mb=Spread.of(sum(each.rss.values()) / MEGABYTE for each in rounds),
        pss_by_role_mb={
            role: Spread.of(_mean_of_role(each.pss, role) / MEGABYTE for each in rounds) for role in _roles(rounds[0].pss)
        },
    )


async def _round(home: Home, name: str) -> Round:
    world = home.world(name)
    started_s = time.perf_counter()
    try:
        with _timed() as stages:
            await world.start()
        ready_s = time.perf_counter() - started_s
        pids = await stack_pids(world)
        pss, rss = ({who: memory_bytes(pid, kind) for who, pid in pids.items()} for kind in ("Pss", "Rss"))
        stopping_s = time.perf_counter()
    finally:
        await world.stop()
    stop_s = time.perf_counter() - stopping_s
    up_s = stages.pop("bring_up")
    stages[REST] = up_s - sum(stages.values())
    stages[HEALTH] = ready_s - up_s
    return Round(len(world.spec.nodes()), ready_s, stop_s, stages, pss, rss)


@contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """Times the stages while the block lasts, from outside, without hooks in the measured code."""
    took_s: dict[str, float] = {}
    with ExitStack() as patches:
        for stage, function in STAGES.items():
            timer = _timer(getattr(process_stack, function), stage, took_s)
            patches.enter_context(patch.object(process_stack, function, timer))
        whole = _timer(process_stack.bring_up, "bring_up", took_s)
        patches.enter_context(patch("brownout.harness.worlds.processes.world.bring_up", whole))
        yield took_s


def _timer(function: Callable[..., Any], stage: str, took_s: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        started_s = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            took_s[stage] = took_s.get(stage, 0.0) + time.perf_counter() - started_s

    return timed


def _roles(by_process: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_role(name) for name in by_process))


def _role(process: str) -> str:
    return process.split(".")[1] if "." in process else process


def _mean_of_role(by_process: Mapping[str, int], role: str) -> float:
    found = [size for name, size in by_process.items() if _role(name) == role]
    return sum(found) / len(found)


def _up_command_s(home: Home) -> float:
    """One `brownout up` as a user has it, taken down again."""
    stack_file = home.folder / "stack.json"
    command = [sys.executable, "-c", "from brownout.harness.cli import main; main()"]
    started_s = time.perf_counter()
    _run([*command, "up", "--stack-file", str(stack_file)])
    took_s = time.perf_counter() - started_s
    _run([*command, "down"])
    return took_s


def _import_s() -> float:
    return float(_run([sys.executable, "-c", _IMPORT_TIMER]))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[3:])} failed: {done.stderr.strip()}")
    return done.stdout


def rows(figures: StackReady) -> tuple[Row, ...]:
    stages = ((f"- {name.removesuffix('_s').replace('_', ' ')}", spread) for name, spread in figures.stages.items())
    return (
        Row(f"start to every node ready ({figures.nodes} nodes)", text(figures.ready_s, "s"), "under 1 s"),
        *(Row(name, text(spread, "s")) for name, spread in stages),
        Row("importing the nodes' code alone", text(figures.node_code_import_s, "s")),
        Row("`brownout up`, the whole command", text(figures.up_command_s, "s")),
        Row("taking it down", text(figures.stop_s, "s")),
        Row(f"memory of all {figures.processes} processes (PSS)", text(figures.pss_mb, "MB")),
        Row("the same as RSS, shared pages counted every time", text(figures.rss_mb, "MB")),
        Row("PSS of Toxiproxy", text(figures.pss_by_role_mb[process_stack.TOXIPROXY], "MB")),
    )


BENCHMARK = Benchmark(
    name="stack_ready",
    title="A stack of local processes comes up",
    about="Two regions, every node a process, every link a proxy of one Toxiproxy, its clock at rate 1.",
    figures=StackReady,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, command_rounds=1),
)
