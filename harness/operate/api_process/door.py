"""`python -m brownout.harness.operate.api_process.door FOLDER MODULE:FUNCTION`: waits for the first request, then serves.

Most stacks are never asked for a fault over HTTP. So this process begins with next to no imports, and a tenth of the memory
of one that can inject. The listening socket was made by the starter: a connection that comes before the imports are done
waits in its queue. It ends when the stack in FOLDER does, or when FOLDER names another process as its API.
"""

from __future__ import annotations

import importlib
import os
import select
import socket
import sys
import time
from functools import partial
from pathlib import Path

from brownout.harness.operate.api_process.record import read_fault_api, stands

LISTENER_FD = 3
LOOK_S = 1.0
RECORD_S = 0.005
RECORDED_S = 10.0  # within which the starter has written the record


def is_recorded(folder: Path) -> bool:
    """Whether the record names this process."""
    known = read_fault_api(folder)
    return known is not None and known.process.pid == os.getpid()


def serves(folder: Path, begun_s: float) -> bool:
    """Whether this process is still the API of a stack that stands in `folder`."""
    if not is_recorded(folder):
        return time.monotonic() < begun_s + RECORDED_S and folder.is_dir()
    return stands(folder)


def main(folder: Path, entry: str) -> int:
    """Waits, then serves until the stack ends; returns the exit code."""
    listener = socket.socket(fileno=LISTENER_FD)
    lives = partial(serves, folder, time.monotonic())
    while lives():
        ready, _, _ = select.select([listener], [], [], LOOK_S)
        if ready and not is_recorded(folder):
            time.sleep(RECORD_S)  # the starter is about to write the record, with the token in it
        elif ready:
            module, _, name = entry.partition(":")
            code: int = getattr(importlib.import_module(module), name)(folder, listener, lives)
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
