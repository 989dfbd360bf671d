"""`python -I -S subprocess_guard.py COMMAND ...`: runs a command that is killed when the calling process ends.

A process that is killed with SIGKILL cannot end its children. So the caller holds the write end of a pipe, and this process
reads the other end as its standard input. When the pipe closes, for any reason, this process kills the command and all its
children. They are in a session of their own, so Ctrl-C in a terminal reaches them through this process only. Standard library
only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

STDIN, KILLED = 0, 128


def main() -> int:
    """Runs the command; its exit code, or 128 plus the number of the signal that ended it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_caller, args=(command.pid,), daemon=True).start()
    try:
        code = command.wait()
    except KeyboardInterrupt:
        _end(command.pid)
        code = command.wait()
    return code if code >= 0 else KILLED - code


def _end_with_caller(group: int) -> None:
    while os.read(STDIN, 1):  # os.read: a thread blocked in sys.stdin would keep the process from ending
        pass
    _end(group)


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
