"""One run for a whole test session, also when pytest-xdist spreads the session over several processes.

Workers share a folder of their session's own. A run that two of them want is made by whoever takes its lock first; the
other waits and finds it done. Locks are flock(2) on files: the kernel drops them when their holder dies, so a killed
worker never blocks the rest. Lock order: a run's own lock first, then the machine's.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from brownout.harness.errors import BrownoutError

WAIT_S = 1800.0
LOOK_S = 0.1
MACHINE_LOCK = "brownout-machine.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a run: its folder, or the error (`message`, `hint`) with which the harness gave up."""

    folder: str = ""
    message: str = ""
    hint: str = ""


def once(shared: Path, key: str, make: Callable[[], Entry]) -> Entry:
    """What `make` returned for this key in this test session, here or in another worker; one that raises is not kept."""
    shared.mkdir(parents=True, exist_ok=True)
    kept = shared / f"{key}.json"
    with locked(shared / f"{key}.lock"):
        if not kept.exists():
            beside = kept.with_suffix(".new")
            beside.write_text(json.dumps(asdict(make())), encoding="utf-8")
            beside.replace(kept)
        return Entry(**json.loads(kept.read_text(encoding="utf-8")))


@contextmanager
def turn_of_the_machine() -> Iterator[None]:
    """Held by one run against the clock at a time, of all test sessions on the machine."""
    with locked(Path(tempfile.gettempdir()) / MACHINE_LOCK):
        yield


@contextmanager
def locked(path: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Holds the file's lock; raises BrownoutError when somebody else keeps it for longer than `wait_s` (half an hour)."""
    handle = _open(path)
    try:
        _take(handle, path, WAIT_S if wait_s is None else wait_s)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """A descriptor to lock. Another user's file in a shared folder may be read only, which is enough for a lock."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def _take(handle: int, path: Path, wait_s: float) -> None:
    until_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            if taken.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() >= until_s:
            raise BrownoutError(f"another test run has held {path} for {wait_s:.0f} s", hint="see what still runs there")
        time.sleep(LOOK_S)
