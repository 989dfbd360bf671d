"""Observers hear what is recorded, and none of them can harm a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.errors import UsageError
from brownout.harness.record.history import Event, read_history
from brownout.harness.record.observer import Observers
from brownout.harness.record.result import Result
from support.small_day import small_day

QUIET = {
    "schedule": [],
    "gates": {"steady_state": False},
    "load": {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.02, "machines": ["web"]}]},
}


class Ear:
    """Notes what it hears; raises at the `deaf_to` call."""

    def __init__(self, deaf_to: str = "") -> None:
        self.deaf_to = deaf_to
        self.folder = Path()
        self.heard: list[Event] = []
        self.results: list[Result | None] = []

    def begin(self, folder: Path) -> None:
        self.folder = folder
        self._do("begin")

    def traceparent(self) -> str:
        return ""

    def event(self, event: Event) -> None:
        self.heard.append(event)
        self._do("event")

    def end(self, result: Result | None) -> None:
        self.results.append(result)
        self._do("end")

    def _do(self, what: str) -> None:
        if what == self.deaf_to:
            raise RuntimeError(f"broken at {what}")


def test_a_listener_hears_every_event_of_the_record(tmp_path: Path) -> None:
    """In its order, between the begin and the result; the header is there at the begin."""
    ear = Ear()
    outcome = carry_out(prepare(small_day(**QUIET), Options(out=tmp_path)), observers=[ear])
    assert tuple(ear.heard) == read_history(outcome.folder).events
    assert (ear.folder, ear.results) == (outcome.folder, [outcome.result])


@pytest.mark.parametrize("deaf_to", ["begin", "event", "end"])
def test_a_broken_listener_is_left_out_and_told_once(deaf_to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run has its verdict, and the others hear all of it."""
    broken, whole = Ear(deaf_to), Ear()
    outcome = carry_out(prepare(small_day(**QUIET), Options(out=tmp_path)), observers=[broken, whole])
    assert whole.results == [outcome.result]
    assert capsys.readouterr().err.count("Ear hears no more of this run: RuntimeError: broken at") == 1
    assert len(broken.heard) <= 1 or deaf_to == "end"


def test_an_interrupt_is_no_fault_of_a_listener() -> None:
    """It goes up to whoever hears Ctrl-C."""

    class Interrupted(Ear):
        def _do(self, what: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Observers([Interrupted()], lambda line: None).end(None)


def test_a_run_that_cannot_be_prepared_is_not_begun(tmp_path: Path) -> None:
    """No observer hears of what is refused."""
    ear = Ear()
    with pytest.raises(UsageError):
        carry_out(prepare(small_day(**QUIET), Options(out=tmp_path, seed=-1)), observers=[ear])
    assert ear.heard == []
