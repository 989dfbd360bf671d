"""What a run leaves: its result, and its record to be read."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from brownout.harness.record.history import Event, Recorder
from brownout.harness.record.result import Result
from brownout.harness.run.options import Outcome


def test_an_outcome_reads_its_record(tmp_path: Path) -> None:
    """The history is that of the run's folder."""
    recorder = Recorder(tmp_path)
    recorder.event(Event(1.0, "run", "started"))
    recorder.close()
    outcome = Outcome(cast(Result, None), tmp_path)
    assert [event.what for event in outcome.history().events] == ["started"]
    assert not outcome.interrupted
