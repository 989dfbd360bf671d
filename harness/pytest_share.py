"""One run for a whole test session, also when pytest-xdist spreads the session over several processes.

Workers share a folder of their session's own. A run that two of them want is made by whoever takes its lock first; the
other waits and finds it done. Locks are flock(2) on files: the kernel drops them when their holder dies, so a killed
worker never blocks the rest. Lock order: a run's own lock first, then the machine's gate, then the machine's lock.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import BrownoutError

WAIT_S = 1800.0
LOOK_S = 0.1
MACHINE_GATE, MACHINE_LOCK = "brownout-machine.gate", "brownout-machine.lock"


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
def machine_to_itself() -> Iterator[None]:
    """Held by one run against the clock at a time, of all test sessions on the machine; no simulation goes on beside it.

    Whoever waits for it holds the gate, so that simulations that keep coming cannot keep it out.
    """
    with locked(_machine(MACHINE_GATE)), locked(_machine(MACHINE_LOCK)):
        yield


@contextmanager
def machine_among_others() -> Iterator[None]:
    """Held by any number of simulations at a time, and by none while a run has the machine to itself or waits for it."""
    with ExitStack() as held:
        with locked(_machine(MACHINE_GATE)):
            held.enter_context(locked(_machine(MACHINE_LOCK), shared=True))
        yield


def _machine(name: str) -> Path:
    return Path(tempfile.gettempdir()) / name


@contextmanager
def locked(path: Path, *, shared: bool = False, wait_s: float | None = None) -> Iterator[None]:
    """Holds the file's lock; raises BrownoutError when somebody else keeps it for longer than `wait_s` (half an hour)."""
    handle = _open(path)
    try:
        _take(handle, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, WAIT_S if wait_s is None else wait_s)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """A descriptor to lock. Another user's file in a shared folder may be read only, which is enough for a lock."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def _take(handle: int, path: Path, kind: int, wait_s: float) -> None:
    until_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError as taken:
            if taken.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() >= until_s:
            raise BrownoutError(f"another test run has held {path} for {wait_s:.0f} s", hint="see what still runs there")
        time.sleep(LOOK_S)
