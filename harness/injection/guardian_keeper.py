"""The run's side of its guardian: a guardian that died or froze is replaced, at most RESTARTS times.

Starting one takes a moment, in which the run goes on; a replacement that is not ready in time is a run without protection.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from brownout.harness.injection.guardian_start import GuardianHandle

RESTARTS = 3
READY_WITHIN_S = 10.0


class GuardianKeeper:
    """Starts a run's guardian with `start`, watches it and replaces it. `replaced` has a sentence for each replacement."""

    def __init__(self, start: Callable[[], GuardianHandle]) -> None:
        self._start = start
        self._handle: GuardianHandle | None = None
        self._ready_by_s: float | None = None  # set while a replacement is on its way
        self.replaced: list[str] = []

    def start(self) -> None:
        """Starts the first one and returns once it watches; raises WorldError."""
        self._handle = self._start()
        self._handle.wait_ready()

    def problem(self) -> str:
        """Why no guardian watches the run, and none will; "" while a guardian watches or is about to. Call it now and then."""
        if self._handle is None:
            return "no guardian was started"
        trouble = self._handle.problem()
        if not trouble:
            return self._late() if self._ready_by_s is not None else ""
        if len(self.replaced) >= RESTARTS:
            return f"{trouble}, as {RESTARTS} others before it"
        self._handle.kill()
        self.replaced.append(f"{trouble} at {time.strftime('%H:%M:%S', time.gmtime())} UTC, and another took its place")
        self._handle = self._start()
        self._ready_by_s = time.monotonic() + READY_WITHIN_S
        return ""

    def _late(self) -> str:
        assert self._handle is not None
        assert self._ready_by_s is not None
        if self._handle.is_ready():
            self._ready_by_s = None
        elif time.monotonic() > self._ready_by_s:
            return "the guardian that was to take the place of another did not start"
        return ""

    def wait(self) -> None:
        """Waits until the guardian leaves, as it does after the lease's release; raises WorldError."""
        if self._handle is not None:
            if self._handle.problem():
                self._handle.kill()  # frozen: it would never leave. What it should have reverted, the run's end has
            self._handle.wait()
