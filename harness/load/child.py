"""Child processes of the load: each in a process group of its own, each dying with its parent, none outliving `stop`.

The terminal's Ctrl-C does not reach a child in another group, so the harness decides when the load ends. If the harness is
killed, the kernel kills the child (`base.processes.die_with_launcher`, which the child calls first).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import brownout
from brownout.harness.base.processes import PARENT_VARIABLE

_POLL_S = 0.02


class Child:
    """A Python process in its own group, whose output goes to `log`. Its input is `stdin`, else nothing.

    It has this process's environment but for names that begin as one `without` does, and with what `environment` adds.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        stdin: IO[bytes] | None = None,
        without: tuple[str, ...] = (),
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", *arguments],
                env=_environment(environment, without),
                cwd=folder,
                stdin=stdin or subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def last_lines(self, count: int = 8) -> str:
        """The end of what it printed."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-count:])

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> signal.Signals | None:
        """Sends each signal and waits its seconds until the child has ended; then kills the whole group.

        Returns the signal that it took, SIGKILL when none of `steps` did, None when it had ended by itself.
        """
        taken: signal.Signals | None = None
        for number, patience_s in (*steps, (signal.SIGKILL, 5.0)):
            if self.exit_code is not None:
                break
            taken = number
            self._signal(number)
            await self._wait(patience_s)
        self.kill()
        return taken

    async def _wait(self, patience_s: float) -> None:
        deadline_s = time.monotonic() + patience_s
        while self.exit_code is None and time.monotonic() < deadline_s:  # noqa: ASYNC110 - a process sets no Event
            await asyncio.sleep(_POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        if number is signal.SIGKILL:
            self.kill()
        else:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kills the whole group at once and reaps the child; does nothing when the child has ended.

        The group is not signalled after the child was reaped: the kernel may have given its number to another group.
        """
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def importable() -> dict[str, str]:
    """The environment of this process, with `brownout` importable."""
    return _environment({}, ())


def _environment(extra: Mapping[str, str], without: tuple[str, ...]) -> dict[str, str]:
    """The environment of this process, with `brownout` importable and without LOCUST_* and proxies, which change the load."""
    kept = {name: value for name, value in os.environ.items() if not _bends_load(name) and not name.startswith(without)}
    root = str(Path(brownout.__file__).parents[1])
    paths = [root, *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), PARENT_VARIABLE: str(os.getpid()), **extra}


def _bends_load(name: str) -> bool:
    return name.upper().startswith("LOCUST_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy")
