"""`python -m brownout.harness.operate.api_process.door FOLDER MODULE:FUNCTION`: waits for the first request, then serves.

While it waits or serves it ends the loads inside of its stack wherever everything is halted: no command runs those.

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
from typing import Any

from brownout.harness.base.halt import FILE_NAME as HALT_NAME
from brownout.harness.operate.api_process.record import read_fault_api, stands

END_LOADS = "brownout.harness.operate.loads.inside:end_now"
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


def is_halted(folder: Path) -> bool:
    """Whether there is something by the name of a halt in the state folder of the stack in `folder`."""
    return os.path.lexists(folder.parent.parent / HALT_NAME)


def named(entry: str) -> Any:
    """The function that `module:function` names, imported when it is wanted and not before."""
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


def main(folder: Path, entry: str) -> int:
    """Waits, then serves until the stack ends; returns the exit code."""
    lives = partial(serves, folder, time.monotonic())
    with socket.socket(fileno=LISTENER_FD) as listener:
        while lives():
            if is_halted(folder):
                named(END_LOADS)(folder)
            ready, _, _ = select.select([listener], [], [], LOOK_S)
            if ready and not is_recorded(folder):
                time.sleep(RECORD_S)  # the starter is about to write the record, with the token in it
            elif ready:
                code: int = named(entry)(folder, listener, lives)
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
