"""The keeper: a process that starts a subject, takes its output, and ends it with everything that it started.

It is between the run and the subject, because neither can be relied on. The run may be killed at any moment, and then its
end of the keeper's standard input closes: the keeper ends the subject as the run would have done. The subject may ignore
SIGTERM, start processes of its own, and print without end: its process group gets SIGTERM, and after its patience whatever is
left of it is killed. Nothing gets away by a new group or session, or by losing its parent, because the keeper is the one to
whom the kernel gives orphans (PR_SET_CHILD_SUBREAPER). Where the keeper itself is killed the kernel kills the subject, and
processes that it had started are found by their environment (brownout.harness.base.users.marked).

Protocol: the first line of standard input is a KeeperOrder as JSON, its end means "end the subject". Standard output has a line
of JSON for each event: `started`, `ended` (by itself or not), `over` (the last one).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brownout.harness.base import processes as system
from brownout.harness.subject.output import PrintedOutput

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
LOOK_S = 0.05  # how late an end is noticed
KILL_PATIENCE_S = 5.0
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class KeeperOrder:
    """What to start, and how. `secrets` are masked in what it prints; `record` is the folder for that."""

    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    stop_within_s: float
    record: str
    secrets: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> KeeperOrder:
        found = json.loads(line)
        return cls(**{**found, "command": tuple(found["command"]), "secrets": tuple(found["secrets"])})


def tell(event: str, **detail: Any) -> None:
    """Tells the run of an event; a run that is gone needs to know nothing."""
    line = json.dumps({"event": event, "monotonic_s": time.monotonic(), **detail}) + "\n"
    with contextlib.suppress(OSError):
        os.write(1, line.encode())


class Kept:
    """The subject's process while the keeper looks after it."""

    def __init__(self, order: KeeperOrder) -> None:
        self._order = order
        self.output = PrintedOutput(Path(order.record), order.secrets)
        keeper = os.getpid()
        self._process = subprocess.Popen(
            order.command,
            cwd=order.folder,
            env=dict(order.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: system.die_with_parent(keeper),
        )
        self.code: int | None = None
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)
        self._wanted = True

    @property
    def pid(self) -> int:
        return self._process.pid

    def keep(self) -> None:
        """Returns once the run wants the subject no more; tells when the subject has ended before."""
        while self._wanted:
            self._pump(LOOK_S)
            self._reap()

    def finish(self) -> tuple[str, int]:
        """Ends the subject and all that it started; how the subject ended, and how many processes outlived it."""
        how = "itself"
        if self.code is None:
            how = "SIGTERM"
            self._signal_group(signal.SIGTERM)
            if not self._await(lambda: self.code is not None, self._order.stop_within_s):
                how = "SIGKILL"
        left = self._descendants()
        self._await(self._killed_all, KILL_PATIENCE_S)
        self._pump(0.0)
        self.output.end()
        return how, len([each for each in left if each.pid != self.pid])

    def _pump(self, wait_s: float) -> None:
        """Takes what was printed and, at the end of standard input, notes that the subject is wanted no more."""
        for key, _ in self._selector.select(wait_s):
            data = _read(key.fd)
            if data is None:
                continue
            if not data:
                self._selector.unregister(key.fd)
            if key.fd == self._pipe:
                self.output.take(data)
            elif not data:
                self._wanted = False
        if not self._selector.get_map():  # nothing is left to wait for but the subject's end
            time.sleep(wait_s)

    def _reap(self) -> None:
        """Takes notice of the ends of the subject and of orphans."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self.pid and self.code is None:
                    self.code = os.waitstatus_to_exitcode(found[1])
                    self._process.returncode = self.code
                    self._pump(0.0)
                    tell("ended", code=self.code, wanted=self._wanted, last_lines=self.output.last_lines())

    def _await(self, condition: Any, patience_s: float) -> bool:
        """Whether the condition came to hold within the patience; the subject's output is taken meanwhile."""
        end_s = time.monotonic() + patience_s
        while True:
            self._reap()
            if condition():
                return True
            if time.monotonic() >= end_s:
                return False
            self._pump(LOOK_S / 5)

    def _killed_all(self) -> bool:
        """Kills what is left of the subject; True once nothing is."""
        left = self._descendants()
        if self.code is None:
            self._signal_group(signal.SIGKILL)
        for each in left:
            each.kill()
        return self.code is not None and not left

    def _descendants(self) -> tuple[system.ProcessId, ...]:
        """Every process below the keeper; those that lost their parent are its own children."""
        found: list[system.ProcessId] = []
        rest = list(system.children(os.getpid()))
        while rest:
            each = rest.pop()
            found.append(each)
            rest += system.children(each.pid)
        return tuple(found)

    def _signal_group(self, number: signal.Signals) -> None:
        # The group cannot be another's: the subject has not been reaped, so its number is still taken.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _read(handle: int) -> bytes | None:
    """What there is to read, b"" at the end, None for nothing now."""
    try:
        return os.read(handle, READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _first_line() -> bytes:
    """The order; what follows it on standard input is its end."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, READ_BYTES)
        if not more:
            break
        line += more
    return line


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The run wants the subject to end when it closes our input. A handler, because a program inherits what is ignored.
        signal.signal(number, lambda *_: None)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    line = _first_line()
    if not line:
        return 0  # the run was killed before it said what to start
    order = KeeperOrder.from_line(line)
    try:
        kept = Kept(order)
    except OSError as failed:
        tell("failed", reason=f"{order.command[0]}: {failed.strerror or failed}")
        return 1
    tell("started", pid=kept.pid)
    kept.keep()
    how, left = kept.finish()
    output = kept.output
    tell(
        "over",
        how=how,
        code=kept.code,
        left=left,
        written_bytes=output.written_bytes,
        dropped_bytes=output.dropped_bytes,
        problem=output.problem,
        last_lines=output.last_lines(),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
