"""The log of attempts of one worker: a line for each request of a client that tries again."""

from __future__ import annotations

import time
from pathlib import Path

from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.models.model import Arrival, Call
from brownout.harness.load.playing import attempt_record
from brownout.harness.record.history import to_line
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.server.clock import Clock
from brownout.suites.load.meter import LineFile


class AttemptsLog:
    """The log at `path`, which there is only where a cohort of the plan tries again."""

    def __init__(self, plan: LoadPlan, path: Path, part_bytes: int | None) -> None:
        self._clock = Clock.from_record(plan.clock)
        tries_again = any(cohort.retry != "none" for cohort in plan.cohorts)
        self._lines = LineFile(path, part_bytes=part_bytes) if tries_again else None

    def note(self, arrival: Arrival, call: Call, answer: Response | CallFailed, sent_s: float) -> None:
        """Notes how a call ended that was sent at `sent_s` (monotonic), if it is one of several attempts."""
        if not call.attempt or self._lines is None:
            return
        done_s, at = time.monotonic(), self._clock.emulated_at
        latency_ms = (done_s - sent_s) * 1000
        record = attempt_record(arrival, call, answer, sent_s=at(sent_s), done_s=at(done_s), latency_ms=latency_ms)
        self._lines.add(to_line(record))

    def flush(self) -> None:
        if self._lines is not None:
            self._lines.flush()
