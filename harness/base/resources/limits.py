"""What the kernel lets this process and its children have, and whether that is enough.

Why before the start: a harness that runs out of file descriptors or ports in mid-run sees failures that look like those of the
service under test. Limits are inherited, so what holds for this process holds for every process that it starts later. A soft
limit of open files that is too low is raised as far as the hard limit allows; no other limit is changed.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.errors import WorldError

OPEN_FILES_AMPLE = 65_536  # a raised limit is this high where the hard one allows it, so that estimates need not be exact
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_MEMORY = Path("/proc/meminfo")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Need:
    """What a command needs: `open_files` in its hungriest process, `ports` of the ephemeral range, the rest in total."""

    open_files: int
    processes: int = 0
    memory_bytes: int = 0
    ports: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """One limit that is too low. `text` has the figure needed and the figure found, `fix` the command that raises it."""

    what: str
    text: str
    fix: str


def shortages(need: Need) -> tuple[Shortage, ...]:
    """Every limit of this process that is too low for `need`; changes nothing. What the system does not tell is not counted."""
    looks: tuple[Callable[[Need], Shortage | None], ...] = (_open_files, _processes, _memory, _ports)
    return tuple(found for look in looks if (found := look(need)) is not None)


def require(need: Need) -> None:
    """Raises the soft limit of open files where that is needed, for this process and those that it starts from now on.

    Raises WorldError when a limit is too low all the same.
    """
    _raise_soft_limit(need.open_files)
    require_none(shortages(need))


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Raises WorldError when the disk of `folder`, which need not exist yet, has less room than that for `what`."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        text = f"{what} needs {needed_bytes / _MIB:,.0f} MB on the disk of {folder}, and {free / _MIB:,.0f} MB are free"
        raise WorldError(text, hint="make room there, or name a folder on another disk (`df -h` lists them)")


def require_none(found: tuple[Shortage, ...]) -> None:
    """Raises WorldError with every shortage; returns when there is none."""
    if found:
        problem = "; ".join(short.text for short in found)
        raise WorldError(f"too little of what a run needs: {problem}", hint="; ".join(short.fix for short in found))


def _raise_soft_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = max(needed, OPEN_FILES_AMPLE)
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def open_files_max() -> str:
    """How many files a process can have open once the soft limit is raised, for people."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return "any number of" if hard == resource.RLIM_INFINITY else f"{hard:,}"


def _open_files(need: Need) -> Shortage | None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= need.open_files:
        return None
    text = f"{need.open_files:,} open files in one process, and the limit is {hard:,}"
    return Shortage("open files", text, _files_fix(need.open_files))


def _files_fix(needed: int) -> str:
    return f"`ulimit -n {needed}` in a shell of root's, or a `nofile` of {needed} for this user in /etc/security/limits.conf"


def _processes(need: Need) -> Shortage | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft == resource.RLIM_INFINITY or os.geteuid() == 0:  # root is exempt
        return None
    left = soft - _tasks_of_user()
    if left >= need.processes:
        return None
    text = f"{need.processes:,} more processes, and of this user's {soft:,} only {max(0, left):,} are left"
    return Shortage("processes", text, f"`ulimit -u {soft - left + need.processes}`")


def _tasks_of_user() -> int:
    """Threads of this user, which is what the limit counts; 0 where the system does not tell."""
    uid, found = os.geteuid(), 0
    for entry in Path("/proc").glob("[0-9]*/task"):
        try:
            found += sum(1 for _ in entry.iterdir()) if entry.stat().st_uid == uid else 0
        except OSError:  # it has just ended
            continue
    return found


def _memory(need: Need) -> Shortage | None:
    free = memory_available()
    if free is None or free >= need.memory_bytes:
        return None
    text = f"{need.memory_bytes / _MIB:,.0f} MB of memory, and {free / _MIB:,.0f} MB are available"
    return Shortage("memory", text, "end other programs (`ps aux --sort=-rss | head` lists the largest)")


def memory_available() -> int | None:
    """Bytes that new processes can have without swapping; None where the system does not tell."""
    try:
        rows = _MEMORY.read_text().splitlines()
    except OSError:
        return None
    found = [row.split()[1] for row in rows if row.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _ports(need: Need) -> Shortage | None:
    found = ephemeral_ports()
    if found is None or found >= need.ports:
        return None
    text = f"{need.ports:,} ephemeral ports, and the range has {found:,}"
    return Shortage("ephemeral ports", text, "`sysctl -w net.ipv4.ip_local_port_range='32768 60999'` as root")


def ephemeral_ports() -> int | None:
    """How many ports the kernel hands out by itself; None where the system does not tell."""
    try:
        first, last = map(int, _PORT_RANGE.read_text().split())
    except (OSError, ValueError):
        return None
    return last - first + 1
