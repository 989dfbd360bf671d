"""The crash matrix sampled on real processes: SIGKILL and SIGSTOP at steps that a seed draws, and what is left then."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.crash_episodes import Ground, Victim, kill_process, load_command
from benchmarks.crash_figures import EpisodeFigures, EpisodeSettings, measure, rows
from benchmarks.report import Benchmark, Row
from benchmarks.stands import Home
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.run.live_session import LEASE_TTL_S
from brownout.harness.worlds.processes.stack import RECORD_NAME, read_process_stack


def _is_up(stack: StackRecord) -> bool:
    """Whether its nodes run."""
    if not (stack.folder / RECORD_NAME).exists():
        return False
    running = read_process_stack(stack.folder)
    return bool(running.sidecars) and len(_children(running.daemon.pid)) > len(running.sidecars)


def _find(stack: StackRecord, pick: int) -> Mapping[str, Victim]:
    """Its parent process, its Toxiproxy and one of its nodes."""
    running = read_process_stack(stack.folder)
    toxiproxy = running.sidecars[0].pid
    found: dict[str, Victim] = {"parent": running.daemon.pid, "toxiproxy": toxiproxy}
    nodes = [pid for pid in _children(running.daemon.pid) if pid != toxiproxy]
    return {**found, "node": nodes[pick % len(nodes)]} if nodes else found


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:  # it has ended
        return []


def _start_load(home: Home, _: StackRecord) -> subprocess.Popen[bytes]:
    return load_command(home)


GROUND = Ground(
    world="processes",
    parts=("toxiproxy", "parent", "node", "locust"),
    loads=("load master", "load worker", "load command"),
    aim=300,
    patience_s=90.0,  # on a busy machine
    bound_s=LEASE_TTL_S + 20.0,
    warm_up="00:01:00",
    late_s=(0.0, 0.02, 0.2),
    up_look_s=0.01,
    is_up=_is_up,
    find=_find,
    kill=kill_process,
    start_load=_start_load,
)


def _rows(figures: EpisodeFigures) -> tuple[Row, ...]:
    return rows(figures, GROUND)


BENCHMARK = Benchmark(
    name="crash_processes",
    title="The same on real processes",
    about="Runs of one fault each on a stack of processes, and loads by hand with two workers beside a fault by hand, struck "
    "by SIGKILL or SIGSTOP at a step that a seed draws.",
    figures=EpisodeFigures,
    measure=partial(measure, GROUND),
    rows=_rows,
    full=EpisodeSettings(kills=15),
    tiny=EpisodeSettings(kills=1),
    long=EpisodeSettings(kills=GROUND.aim, jobs=2),
)
