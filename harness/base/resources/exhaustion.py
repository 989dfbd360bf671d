"""What a program ran out of, by what it says or has: texts of errors in logs, and open files against their limit.

Some programs say nothing. An event loop that cannot accept a connection for want of a file descriptor closes it at once, and
Toxiproxy closes the listener for good; to a client both look like a service that resets or refuses. So open files are counted
as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SPARE = 1  # an event loop keeps one descriptor in reserve, to be able to accept and close
_TEXTS: Mapping[str, str] = {
    "too many open files": "open files",
    "cannot allocate memory": "memory",
    "memoryerror": "memory",
    "no space left on device": "disk space",
    "disk quota exceeded": "disk space",
    "database or disk is full": "disk space",
    "cannot assign requested address": "ephemeral ports",
    "no buffer space available": "memory for sockets",
}


def ran_out_of(text: str) -> tuple[str, ...]:
    """What the text says was exhausted, each once; nothing for other errors."""
    lowered = text.lower()
    return tuple(dict.fromkeys(what for words, what in _TEXTS.items() if words in lowered))


def out_of_files(pid: int) -> str:
    """`31 of 32 open files` for a process that has as many open as it may; "" for others, and where nothing tells."""
    process = Path(f"/proc/{pid}")
    try:
        rows = (process / "limits").read_text().splitlines()
        soft = next(row.split()[3] for row in rows if row.startswith("Max open files"))
        has = sum(1 for _ in (process / "fd").iterdir())
    except (OSError, StopIteration):
        return ""
    if soft == "unlimited" or has < int(soft) - _SPARE:
        return ""
    return f"{has:,} of {int(soft):,} open files"


def name_of(pid: int) -> str:
    """The name of a process, as `ps` has it; its number once it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return f"process {pid}"
