"""Ctrl-C, SIGTERM and a closed terminal under an event loop: the first interrupt ends in order, a later one at once.

A later one must work while the loop still reverts what the first began to end, so it leaves with `os._exit`: no clean-up of the
interpreter can delay it. What must happen all the same (a guardian that takes over) is started right before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # asyncio takes a moment to import, and the exit code alone needs none of it
    from asyncio import AbstractEventLoop

INTERRUPTED = 130  # the exit code of a command that was interrupted, as shells know it
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(
    loop: AbstractEventLoop, *, first: Callable[[], None], farewell: str = "", again: Callable[[], None] | None = None
) -> Iterator[None]:
    """Listens for interrupts; a signal that this process ignores (as under nohup) stays ignored.

    The first calls `first`. A later one prints the `farewell` to stderr, calls `again` and exits with INTERRUPTED; where there
    is no `again`, it calls `first` once more.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if interrupted and again is not None:
            with suppress(OSError):  # the terminal may be closed
                os.write(2, f"\n{farewell}\n".encode())
            again()
            os._exit(INTERRUPTED)
        interrupted = True
        first()

    for number in heard:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            # The loop leaves the system's default, under which SIGTERM would kill a command that still writes its report.
            signal.signal(number, before[number])
