"""`python -I -S tether.py COMMAND ...`: runs a command that ends with whoever called this.

A command that is killed outright cannot end what it has started. So it holds one end of a pipe, this process reads the
other, and when the pipe closes, for whatever reason, the command and all that it has started are killed. They have a
session of their own, and Ctrl-C at the terminal reaches them through here. Standard library only.
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
    """Returns the command's exit code."""
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
    while os.read(STDIN, 1):  # not the buffered one: a thread that waits there keeps the process from ending
        pass
    _end(group)


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
