"""A pool of processes whose workers end with their owner, however it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Literal

Start = Literal["fork", "spawn"]


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def worker_pool(workers: int, *, start: Start) -> Iterator[ProcessPoolExecutor]:
    """A pool for the block. What is still waiting when the block is left is dropped; what is being done is waited for.

    Ctrl-C reaches every process of a terminal, so workers leave it to the owner, which alone decides what becomes of them.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context(start), initializer=_live_with_the_owner)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _live_with_the_owner() -> None:
    """A kill of the owner ends us; a handler of SIGTERM that came with a fork is the owner's, and would be one more result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_owner, daemon=True).start()


def _end_with_the_owner() -> None:
    """Workers wait for more work for ever when their owner was killed."""
    owner = parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)
