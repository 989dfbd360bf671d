"""What the conductor writes into a run's history, each event at the emulated time at which it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from brownout.harness.experiment.model import Step
from brownout.harness.record.history import Event, History, Recorder, read_history
from brownout.harness.record.result import Severity
from brownout.harness.run.prepare import PreparedRun


class Journal:
    """Writes one run's events. `now` is emulated time, in epoch seconds."""

    def __init__(self, run: PreparedRun, recorder: Recorder, now: Callable[[], float]) -> None:
        self._recorder, self._now = recorder, now
        self._steps = {resolved.step.name: resolved.step for resolved in run.steps}

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._recorder.folder

    def history(self) -> History:
        """Everything recorded so far."""
        self._recorder.flush()
        return read_history(self.folder)

    def event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """Records an event of record.history's kinds."""
        self._recorder.event(Event(round(self._now(), 6), kind, what, subject, dict(detail or {})))

    def act(self, what: str, step: Step, detail: Mapping[str, Any]) -> None:
        """Records what the conductor did about a step."""
        self.event("act", what, step.name, {"role": step.role, "fault": step.fault, "note": step.note, **detail})

    def notice(self, what: str, step: str, detail: Mapping[str, Any]) -> None:
        """Records what the life cycle did about a step's fault."""
        known = self._steps.get(step)
        more = {} if known is None else {"role": known.role, "note": known.note}
        self.event("act", what, step, {**more, **detail})

    def gate(self, name: str, *, passed: bool, reason: str, severity: Severity = "inconclusive") -> None:
        """Records a gate that only the run itself can decide."""
        self.event("gate", name, detail={"passed": passed, "reason": reason, "severity": severity})
