"""Runs the commands of clients that are programs: bounded in time and in how many run at once, and ended with the load.

A command that is over its time is killed with all of its process group. It dies with this process, and what it started is found
by its environment, as a subject's own processes are (brownout.harness.base.users.marked).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

import gevent
from gevent import subprocess
from gevent.lock import BoundedSemaphore

from brownout.harness.base.processes import die_with_any_parent
from brownout.harness.load.arrivals import LoadPlan, SubjectPlace
from brownout.harness.load.models.asks import COMMAND, CommandAsk, words_of
from brownout.harness.load.models.command import EXIT_CODE
from brownout.identity.core.messages import CallFailed, Response
from brownout.suites.load.transport import GeneratorFault

TRACEPARENT = "TRACEPARENT"  # where OpenTelemetry's tools for command lines look for it
_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


class Commands:
    """The commands of a plan's cohorts."""

    def __init__(self, plan: LoadPlan) -> None:
        self._place = plan.subject or SubjectPlace(folder="/", environment={})
        traced = {TRACEPARENT: self._place.traceparent} if self._place.traceparent else {}
        self._environment = {**self._place.environment, **traced}
        self._asks: Mapping[str, CommandAsk] = {each.name: each.command for each in plan.cohorts if each.command is not None}
        self._slots = {cohort: BoundedSemaphore(ask.at_once) for cohort, ask in self._asks.items()}

    def run(self, cohort: str, timeout_s: float) -> Response:
        """200 for exit code 0, else 500 with the code; raises CallFailed after `timeout_s`, waiting in line included."""
        ask, slot = self._asks[cohort], self._slots[cohort]
        process: subprocess.Popen[bytes] | None = None
        held = False
        try:
            with gevent.Timeout(max(0.0, timeout_s)):
                held = slot.acquire()
                process = self._start(ask)
                code = process.wait()
        except gevent.Timeout:
            raise CallFailed("timeout", COMMAND) from None
        finally:
            if process is not None and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if held:
                slot.release()
        return Response(200 if code == 0 else 500, {EXIT_CODE: code})

    def _start(self, ask: CommandAsk) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                words_of(ask.run),
                cwd=self._place.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_any_parent,
            )
        except OSError as failed:
            if failed.errno in _OWN_LIMITS:
                raise GeneratorFault(f"a command cannot be started: {failed.strerror}") from None
            raise CallFailed("refused", COMMAND) from None
