"""One run for a whole test session, also when pytest-xdist spreads the session over several processes.

The workers of a session share a folder. If two of them want the same run, the first to take its lock makes it; the other waits
for the lock and then reads the result. A killed worker's locks are released at once. Lock order: a run's lock first, then the
machine's.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from brownout.harness.base.files import FileLock, replace_whole

WAIT_S = 1800.0
MACHINE_LOCK = "brownout-machine.lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of a run: its folder, or the error (`message`, `hint`) of the harness."""

    folder: str = ""
    message: str = ""
    hint: str = ""


def once(shared: Path, key: str, make: Callable[[], Entry]) -> Entry:
    """What `make` returned for this key in this test session, here or in another worker; an exception is not stored."""
    shared.mkdir(parents=True, exist_ok=True)
    kept = shared / f"{key}.json"
    with locked(shared / f"{key}.lock"):
        if not kept.exists():
            # not durable: it is good for one test session
            replace_whole(kept, json.dumps(asdict(make())), durable=False)
        return Entry(**json.loads(kept.read_text(encoding="utf-8")))


@contextmanager
def turn_of_the_machine() -> Iterator[None]:
    """The lock of runs that depend on real time: one at a time on the machine, over all sessions."""
    with locked(Path(tempfile.gettempdir()) / MACHINE_LOCK):
        yield


@contextmanager
def locked(path: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Holds the file's lock; raises LockHeld when another test run still holds it after `wait_s` (None: half an hour)."""
    with FileLock(path, mode=0o644) as lock:  # other users of the machine wait for the same file
        lock.require(patience_s=WAIT_S if wait_s is None else wait_s)
        yield
