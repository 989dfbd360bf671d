"""The progress of a run: figures over the last seconds of its log, shown while it goes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from brownout.harness.record.history import RequestRecord, to_line
from brownout.harness.record.progress import Status
from brownout.harness.run.conductor import RunState
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.progress_view import ProgressView
from brownout.harness.world import World
from support.small_day import small_day

RATE = 10.0
ALERT = {"of": {"cohorts": ["warm"]}, "target": 0.9, "burn": 5, "long": "5m", "short": "1m"}


class Sink:
    """A terminal that keeps what it was shown, or has been closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.shown: list[Status] = []
        self._closed = closed

    def update(self, status: Status) -> None:
        if self._closed:
            raise BrokenPipeError
        self.shown.append(status)

    def close(self) -> None:
        """Nothing was opened."""


class Bench:
    """A view of a run whose clock stands at a time after the baseline began."""

    def __init__(self, folder: Path, sink: Sink) -> None:
        run = prepare(small_day(alerts={"warm-tokens": ALERT}), Options(world="processes", longest_s=86_400.0))
        self.now_s = run.load.start_s + 1000.0
        self.folder, self.state = folder, RunState(phase="baseline")
        world = cast(World, SimpleNamespace(rate=RATE, now=lambda: self.now_s))
        self.view = ProgressView(run, world, self.state, sink, folder)

    def ask(self, ago_s: float, *, outcome: str = "happened", latency_ms: float = 10.0) -> None:
        """Adds a request that was answered so many emulated seconds ago."""
        at_s = self.now_s - ago_s
        record = RequestRecord(
            f"{at_s}", "warm", "token", "sydney", "sydney", "web-1", at_s, at_s, at_s, latency_ms, 200, outcome
        )  # type: ignore[arg-type]  # an outcome's word
        with (self.folder / "requests.jsonl").open("a") as log:
            log.write(to_line(record))


def test_the_figures_are_of_the_last_seconds(tmp_path: Path) -> None:
    """Rates and shares are over eight real seconds, the burn rate over the alert's long window."""
    sink = Sink()
    bench = Bench(tmp_path, sink)
    for ago_s, outcome in ((200, "refused"), (79, "happened"), (40, "refused"), (10, "happened"), (1, "happened")):
        bench.ask(ago_s, outcome=outcome, latency_ms=float(ago_s))
    bench.view.tick()
    (status,) = sink.shown
    assert status.achieved_per_s == 4 / 8
    assert status.offered_per_s == 0.5 * RATE
    assert status.good == {"warm": 0.75}
    assert status.p99_ms == 79.0
    assert status.burn["warm-tokens"] == pytest.approx(2 / 5 / 0.1)
    assert status.clock == "00:26:40"


def test_without_requests_there_are_no_figures(tmp_path: Path) -> None:
    """Nothing is invented: no share, no latency, and a burn rate of 0."""
    sink = Sink()
    Bench(tmp_path, sink).view.tick()
    (status,) = sink.shown
    assert (status.good, status.p99_ms, status.burn) == ({"warm": None}, None, {"warm-tokens": 0.0})


def test_a_message_is_shown_once(tmp_path: Path) -> None:
    """The run's latest message goes with the next status and is gone after it."""
    sink = Sink()
    bench = Bench(tmp_path, sink)
    bench.state.message = "switch-keys: bitten"
    bench.view.tick()
    bench.view.tick()
    assert [status.message for status in sink.shown] == ["switch-keys: bitten", None]


def test_a_closed_terminal_does_not_stop_the_run(tmp_path: Path) -> None:
    """The view goes on without showing anything."""
    bench = Bench(tmp_path, Sink(closed=True))
    bench.view.tick()
    bench.view.tick()
    assert bench.state.message == ""
