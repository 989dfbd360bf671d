"""The progress of a run: figures over the last seconds of the request log, renewed while the conductor waits.

They are for display only. Verdicts come from the whole record, afterwards.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from brownout.harness.base.stats import budget, percentile
from brownout.harness.experiment.model import Alert
from brownout.harness.judge.selection import good_rule, select
from brownout.harness.load.log_tail import LogTail
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.progress import ProgressSink, Status
from brownout.harness.run.conductor import RunState
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.world import World

WINDOW_S = 8.0  # real seconds


class ProgressView:
    """Follows one run's request log and shows a sink the status of the run."""

    def __init__(self, run: PreparedRun, world: World, state: RunState, sink: ProgressSink, folder: Path) -> None:
        experiment = run.experiment
        self._experiment, self._world, self._state, self._sink = experiment, world, state, sink
        self._is_good = good_rule(experiment)
        self._tail = LogTail(folder)
        self._recent: deque[RequestRecord] = deque()
        self._started_s = time.monotonic()
        self._end_s = run.end_s
        self._offered_per_s = world.rate * sum(cohort.rate_per_s for cohort in experiment.load.cohorts)
        widest_s = max((alert.long_s for alert in experiment.alerts.values()), default=0.0)
        self._keep_s = max(widest_s, WINDOW_S * world.rate)

    def ends_at(self, end_s: float) -> None:
        """Has the timeline end at another moment, in emulated epoch seconds: it was moved."""
        self._end_s = end_s

    def tick(self) -> None:
        """Reads what is new and shows the status."""
        self._read()
        try:
            self._sink.update(self._status())
        except OSError:  # the terminal or pipe is closed; the run goes on
            self._sink = NoProgress()
        self._state.message = ""

    def _read(self) -> None:
        self._recent.extend(self._tail.read())
        oldest_s = self._world.now() - self._keep_s
        while self._recent and self._recent[0].done_s < oldest_s:
            self._recent.popleft()

    def _status(self) -> Status:
        now_s, elapsed_s = self._world.now(), time.monotonic() - self._started_s
        window = [record for record in self._recent if record.done_s >= now_s - WINDOW_S * self._world.rate]
        return Status(
            phase=self._state.phase,
            elapsed_s=elapsed_s,
            total_s=elapsed_s + max(0.0, self._end_s - now_s) / self._world.rate,
            clock=datetime.fromtimestamp(now_s, UTC).strftime("%H:%M:%S"),
            offered_per_s=self._offered_per_s,
            achieved_per_s=len(window) / WINDOW_S,
            good=self._good(window),
            burn={name: self._burn(alert, now_s) for name, alert in self._experiment.alerts.items()},
            p99_ms=percentile([record.latency_ms for record in window], 0.99),
            active=tuple(self._state.active),
            message=self._state.message or None,
        )

    def _good(self, window: list[RequestRecord]) -> Mapping[str, float | None]:
        found: dict[str, float | None] = {}
        for cohort in self._experiment.load.cohorts:
            own = [record for record in window if record.cohort == cohort.name]
            found[cohort.name] = sum(map(self._is_good, own)) / len(own) if own else None
        return found

    def _burn(self, alert: Alert, now_s: float) -> float:
        """The burn rate over the alert's long window, 0 when nothing was asked in it."""
        window = [record for record in self._recent if record.done_s > now_s - alert.long_s]
        watched = select(window, alert.of)
        bad = sum(not self._is_good(record) for record in watched)
        return bad / len(watched) / budget(alert.target) if watched else 0.0


class NoProgress:
    """A sink that shows nothing."""

    def update(self, status: Status) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing was opened."""
