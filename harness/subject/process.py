"""A subject's process as the run sees it: started by a keeper, awaited until it is ready, looked at, and ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from brownout.harness.base.users.marked import MARK, end_marked, marked
from brownout.harness.errors import WorldError
from brownout.harness.load.child import importable
from brownout.harness.subject.keeper import KILL_PATIENCE_S, KeeperOrder
from brownout.harness.subject.listening import listens
from brownout.harness.subject.output import LOG_NAME
from brownout.harness.subject.readiness import POLL_S, await_answer

KEEPER = "brownout.harness.subject.keeper"
KEEPER_LOG = "subject-keeper.log"
OVER_SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class SubjectEnd:
    """How a subject ended: its exit code (below 0: the signal), and when, on the machine's monotonic clock."""

    code: int
    monotonic_s: float
    last_lines: str = ""

    def __str__(self) -> str:
        return f"was ended by signal {-self.code}" if self.code < 0 else f"ended with code {self.code}"


class SubjectProcess:
    """One subject. `stack_folder` is that of the stack whose client it is: what is left of it is found by that."""

    def __init__(self, order: KeeperOrder, ready: str, stack_folder: Path) -> None:
        self._order, self._ready, self._folder = order, ready, stack_folder
        self.environment = {**order.environment, MARK: str(stack_folder.absolute())}
        self.ended: SubjectEnd | None = None  # by itself
        self.over: Mapping[str, Any] = {}  # what the keeper told at the end
        self._failed, self._started, self._told = "", False, b""
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the keeper, which starts the subject; raises WorldError."""
        order = replace(self._order, environment=self.environment)
        with (self._folder / KEEPER_LOG).open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-P", "-m", KEEPER],
                env=importable(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        os.set_blocking(self._keeper.stdout.fileno(), False)
        try:
            self._keeper.stdin.write(order.to_line())
            self._keeper.stdin.flush()
        except OSError as failed:
            raise WorldError(f"the subject's keeper ended at once: {failed.strerror}", hint=f"see {KEEPER_LOG}") from failed

    async def await_ready(self, within_s: float) -> float:
        """The seconds until it answered its ready URL with 2xx; raises WorldError, with the end of its output."""
        took_s = await await_answer(self._ready, within_s, running=self._require_running, printed=self.printed)
        self._require_own()
        return took_s

    def _require_running(self) -> None:
        self.look()
        if self._failed:
            raise WorldError(f"the subject could not be started: {self._failed}", hint="check `subject.command` and its folder")
        if self.ended is not None:
            raise WorldError(f"the subject {self.ended} before it was ready", hint=self.printed())
        if self._keeper is not None and self._keeper.poll() is not None:
            raise WorldError("the subject's keeper ended", hint=f"see {KEEPER_LOG} in the stack's folder")

    def _require_own(self) -> None:
        port = urlsplit(self._ready).port or 0
        if not listens((each.pid for each in marked(self._folder)), port):
            raise WorldError(
                f"port {port} answers, and it is not the subject that listens there",
                hint="have the application listen on the port in the variable PORT",
            )

    def printed(self) -> str:
        """The end of its output, as a hint of an error."""
        last = str(self.over.get("last_lines", "")) or (self.ended.last_lines if self.ended else "") or self._file_end()
        return f"the last that it printed:\n{last}" if last else "it printed nothing"

    def _file_end(self) -> str:
        try:
            lines = (Path(self._order.record) / LOG_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-12:])

    def look(self) -> None:
        """Takes what the keeper has told since the last look."""
        if self._keeper is None or self._keeper.stdout is None:
            return
        try:
            while data := os.read(self._keeper.stdout.fileno(), 65_536):
                self._told += data
        except (BlockingIOError, ValueError):
            pass
        *lines, self._told = self._told.split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, told: Mapping[str, Any]) -> None:
        match told["event"]:
            case "started":
                self._started = True
            case "failed":
                self._failed = str(told["reason"])
            case "ended" if not told["wanted"]:
                pass  # the run had asked for it
            case "ended":
                self.ended = SubjectEnd(int(told["code"]), float(told["monotonic_s"]), str(told["last_lines"]))
            case "over":
                self.over = told

    async def stop(self) -> None:
        """Ends it: SIGTERM, and after its patience SIGKILL for all that is left. May run twice; raises WorldError."""
        if self._keeper is None:
            return
        keeper = self._keeper
        assert keeper.stdin is not None
        with suppress(OSError):  # the keeper has ended
            keeper.stdin.close()
        end_s = time.monotonic() + self._order.stop_within_s + KILL_PATIENCE_S + OVER_SLACK_S
        while keeper.poll() is None and time.monotonic() < end_s:
            self.look()
            await asyncio.sleep(POLL_S / 2)
        self.look()
        if keeper.poll() is None:
            keeper.kill()
            keeper.wait()
        if keeper.stdout is not None:
            keeper.stdout.close()
        self._keeper = None
        await asyncio.to_thread(end_marked, self._folder)
        if left := marked(self._folder):
            pids = ", ".join(str(each.pid) for each in left)
            raise WorldError(f"processes of the subject are left: {pids}", hint=f"end them by hand: kill -9 {pids}")
