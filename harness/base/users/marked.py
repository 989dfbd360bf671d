"""Processes that carry a mark in their environment: what a stack's own pids do not lead to, such as what a program started.

A process inherits its environment, so the mark is in all that descends from the first one, however far it went: in another
session, without a parent, after its starter was killed. Only a program that clears its environment on purpose gets rid of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from brownout.harness.base.processes import PROC, ProcessId, await_true

MARK = "BROWNOUT_SUBJECT_OF"  # the folder of the stack that the process is a client of
KILL_PATIENCE_S = 5.0


def marked(folder: Path) -> tuple[ProcessId, ...]:
    """The processes of this user that are clients of the stack in `folder`, but for the caller."""
    wanted = f"{MARK}={folder.absolute()}".encode()
    found = []
    for place in PROC.glob("[0-9]*"):
        try:
            variables = (place / "environ").read_bytes().split(b"\0")
        except OSError:  # another user's, or one that has ended meanwhile
            continue
        if wanted in variables and int(place.name) != os.getpid():
            found.append(ProcessId.of(int(place.name)))
    return tuple(each for each in found if each is not None)


def _all_ended(found: Iterable[ProcessId]) -> bool:
    return not any(each.alive() for each in found)


def end_marked(folder: Path, *, patience_s: float = 0.0) -> int:
    """Waits so long for them to end by themselves, then kills those that are left; returns how many were killed.

    One that is about to start another is found at the next look, so it looks until there are none, for KILL_PATIENCE_S.
    """
    await_true(lambda: not marked(folder), patience_s)
    killed: set[ProcessId] = set()
    end_s = time.monotonic() + KILL_PATIENCE_S
    while (left := marked(folder)) and time.monotonic() < end_s:
        for each in left:
            each.kill()
        killed |= set(left)
        await_true(partial(_all_ended, left), 1.0)
    return len(killed)
