"""What Linux says of a process: its memory and its processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from brownout.harness.base.resources.worker_pool import worker_pool

P = ParamSpec("P")
R = TypeVar("R")

_CPUCLOCK_SCHED = 2  # what the clock of a process counts, in the last three bits of its id: clock_getcpuclockid(3)


def memory_bytes(pid: int, kind: str) -> int:
    """`Pss` (shared pages divided among those who share them) or `Rss` of a process; raises FileNotFoundError."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith(f"{kind}:"))


def own_memory_mb() -> float:
    """What this very process has resident, in MiB."""
    pid = int(Path("/proc/self").readlink().name)
    return memory_bytes(pid, "Rss") / 2**20


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, all its threads together, to the microsecond.

    `/proc/PID/stat` counts it in hundredths of a second, which a short round has few of. Raises OSError where there is no such
    process.
    """
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def in_new_process(act: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """What `act` returns in a process that has done nothing before; arguments and result are pickled.

    A process that freed memory grows by less than it needs when it needs memory again, down to nothing.
    """
    with worker_pool(1, start="spawn") as pool:
        return pool.submit(act, *args, **named).result()
