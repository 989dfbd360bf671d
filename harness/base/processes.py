"""Processes: identity that survives reuse of a pid, ports, and ending with the parent. A bare pid is never trusted.

A process is named by its pid *and* when it started, because a pid alone may by now be another's. Identity works on macOS too;
the rest is Linux, which alone shows a process's sockets and kills a child whose parent has ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PARENT_VARIABLE = "BROWNOUT_PARENT"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_NAME = 15
LISTENING = "0A"  # net/tcp_states.h
LOOPBACK = "0100007F:"  # 127.0.0.1 as /proc/net/tcp spells it
POLL_S = 0.002  # the kernel sends no event for what is awaited here
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """The identity of one process: `started` is text that a later process with the same pid cannot have."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now, None when there is none or it has ended and only waits to be reaped."""
        started = _started(pid) if (PROC / "self" / "stat").exists() else _started_by_ps(pid)
        return cls(pid, started) if started else None

    @classmethod
    def me(cls) -> ProcessId:
        """The identity of the calling process."""
        found = cls.of(os.getpid())
        assert found is not None
        return found

    @classmethod
    def from_ticks(cls, pid: int, start_ticks: int) -> ProcessId:
        """From the record of an older version, which had clock ticks since boot and not which boot."""
        return cls(pid, f"{boot_id()}:{start_ticks}")

    def alive(self) -> bool:
        """True while that very process runs."""
        return ProcessId.of(self.pid) == self

    def kill(self, wanted_signal: int = signal.SIGKILL) -> None:
        """Sends the signal if it is still this process; one that has ended is fine."""
        if self.alive():
            try:
                os.kill(self.pid, wanted_signal)
            except ProcessLookupError:
                return


@cache  # a process does not outlive the boot that it began in
def boot_id() -> str:
    """Tells one boot of the machine from the next; empty where the machine does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _started(pid: int) -> str:
    fields = _stat(PROC / str(pid))
    # A zombie with more threads than one is still ending, its sockets and files still open.
    if fields is None or fields[0] == "X" or (fields[0] == "Z" and int(fields[17]) <= 1):
        return ""
    return f"{boot_id()}:{fields[19]}"


def _started_by_ps(pid: int) -> str:
    found = subprocess.run(
        ("ps", "-o", "stat=,lstart=", "-p", str(pid)), capture_output=True, text=True, check=False, timeout=5
    ).stdout.strip()
    return "" if found.startswith("Z") else found.partition(" ")[2].strip()


def _stat(process: Path) -> list[str] | None:
    """The fields of `stat` from the state on (its name, in brackets, may hold anything), None for no such process."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def stopped(pid: int) -> bool:
    """True when every thread of the process is stopped (state T)."""
    try:
        threads = list((PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return False
    states = [fields[0] for fields in map(_stat, threads) if fields is not None]
    return bool(states) and all(state == "T" for state in states)


def children(pid: int) -> tuple[ProcessId, ...]:
    """The living children of a process, of all its threads."""
    found: list[ProcessId] = []
    for listing in (PROC / str(pid) / "task").glob("*/children"):
        try:
            pids = listing.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [child for child in map(ProcessId.of, map(int, pids)) if child is not None]
    return tuple(found)


def listening_ports(pid: int) -> frozenset[int]:
    """Ports of 127.0.0.1 on which this process itself listens, not another one."""
    rows = (line.split() for line in (PROC / "net" / "tcp").read_text().splitlines()[1:])
    ports = {
        f"socket:[{row[9]}]": int(row[1].partition(":")[2], 16)
        for row in rows
        if row[1].startswith(LOOPBACK) and row[3] == LISTENING
    }
    try:
        handles = {str(handle.readlink()) for handle in (PROC / str(pid) / "fd").iterdir()}
    except (FileNotFoundError, ProcessLookupError):
        return frozenset()
    return frozenset(port for name, port in ports.items() if name in handles)


def await_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Polls until `condition` holds; False when it did not within `timeout_s`."""
    started_s = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - started_s
        if waited_s >= timeout_s:
            return False
        time.sleep(max(POLL_S, waited_s / 20))  # late by a twentieth at most, and cheap however long it takes
    return True


def die_with_any_parent() -> None:
    """Has the kernel kill this process when its parent ends, for one whose parent has no pid here. Linux; raises OSError.

    A parent that has ended already is not noticed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def die_with_parent(parent_pid: int, name: str = "") -> None:
    """Has the kernel kill this process when its parent ends, however that ends; `name` is shown by `ps` and `top`.

    Where the kernel cannot (only Linux can), a parent that has ended already is all that is noticed. Raises OSError.
    """
    if sys.platform == "linux":
        die_with_any_parent()
        if name:
            ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15])
    if os.getppid() != parent_pid:  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_launcher() -> None:
    """`die_with_parent` for a program whose launcher put its own pid into PARENT_VARIABLE; nothing when started by hand.

    The pid comes from the launcher, because a parent that ended before this call would otherwise go unnoticed.
    """
    launcher = os.environ.get(PARENT_VARIABLE, "")
    if launcher:
        die_with_parent(int(launcher))
