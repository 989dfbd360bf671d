"""The heartbeats of all workers of one load, read as they come; what is kept of them does not grow with time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from brownout.harness.load.heartbeat import Heartbeat
from brownout.harness.load.log_tail import LinesTail

_CPU_WINDOW_S = 5.0


class Beats:
    """Follows the `load-*.jsonl` of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[Path, LinesTail] = {}
        self._workers: dict[int, _Worker] = {}

    def latest(self) -> tuple[Heartbeat, ...]:
        """The newest heartbeat of each worker."""
        self._read()
        return tuple(worker.latest for worker in self._workers.values())

    def ready(self, workers: int) -> bool:
        """Whether that many workers run their schedule, or have their orders to wait for."""
        latest = self.latest()
        return len(latest) >= workers and all(beat.state != "starting" for beat in latest)

    def finished(self) -> bool:
        latest = self.latest()
        return bool(latest) and all(beat.state in ("finished", "stopped") for beat in latest)

    def cpu_share(self) -> float:
        """The largest share of one processor that a worker took over any 5 s, or over all its time when shorter."""
        self._read()
        return max((worker.cpu_share for worker in self._workers.values()), default=0.0)

    def oddities(self) -> Sequence[str]:
        self._read()
        found = []
        for worker in self._workers.values():
            if worker.was_paused:
                found.append("the load was stopped from the dashboard for a while")
            if worker.latest.faults:
                count, first = worker.latest.faults, worker.latest.first_fault
                found.append(f"{count} arrivals failed inside the generator, the first: {first}")
        return found

    def _read(self) -> None:
        for path in sorted(self._folder.glob("load-*.jsonl")):
            for raw in self._tails.setdefault(path, LinesTail(path)).read():
                beat = Heartbeat.parse(raw)
                self._workers.setdefault(beat.worker, _Worker(beat)).take(beat)


class _Worker:
    """One worker's newest heartbeat, and what has to be known of those before it."""

    def __init__(self, first: Heartbeat) -> None:
        self.latest = first
        self.was_paused = False
        self.cpu_share = 0.0
        self._window: deque[Heartbeat] = deque()
        self._is_short = True

    def take(self, beat: Heartbeat) -> None:
        self.latest = beat
        self.was_paused = self.was_paused or beat.state == "paused"
        if beat.state == "starting":
            return
        self._window.append(beat)
        while len(self._window) > 2 and beat.monotonic_s - self._window[1].monotonic_s >= _CPU_WINDOW_S:
            self._window.popleft()
        oldest = self._window[0]
        passed_s = beat.monotonic_s - oldest.monotonic_s
        if passed_s <= 0:
            return
        share = (beat.cpu_s - oldest.cpu_s) / passed_s
        if passed_s >= _CPU_WINDOW_S:
            self.cpu_share = share if self._is_short else max(self.cpu_share, share)
            self._is_short = False
        elif self._is_short:
            self.cpu_share = share
