"""Whether a subject itself listens on its port, so that nothing else on the machine is taken for it. Linux."""

from __future__ import annotations

from collections.abc import Iterable

from brownout.harness.base.processes import LISTENING, PROC

_ADDRESSES = ("0100007F", "00000000", "0" * 32, "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def listens(pids: Iterable[int], port: int) -> bool:
    """Whether one of the processes listens on the port, at 127.0.0.1 or at every address."""
    sockets = {
        f"socket:[{row[9]}]"
        for table in ("tcp", "tcp6")
        for row in _rows(table)
        if row[3] == LISTENING and row[1].rpartition(":")[0] in _ADDRESSES and int(row[1].rpartition(":")[2], 16) == port
    }
    return any(not sockets.isdisjoint(_handles(pid)) for pid in pids)


def _rows(table: str) -> list[list[str]]:
    try:
        return [line.split() for line in (PROC / "net" / table).read_text().splitlines()[1:]]
    except FileNotFoundError:  # a kernel without IPv6
        return []


def _handles(pid: int) -> set[str]:
    found = set()
    try:
        for handle in (PROC / str(pid) / "fd").iterdir():
            try:
                found.add(str(handle.readlink()))
            except OSError:  # closed meanwhile
                continue
    except OSError:  # it has ended, or is another user's
        pass
    return found
