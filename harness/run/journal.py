"""What the conductor writes into a run's history, each event at the emulated time at which it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from brownout.harness.experiment.model import Step
from brownout.harness.injection.notices import (
    ActFailed,
    BiteMissing,
    BiteSeen,
    ForeignHolds,
    HoldLost,
    HoldSeen,
    InPlace,
    Intended,
    LateHoldReleased,
    Notice,
    UndoStep,
)
from brownout.harness.load.log_tail import LogTail
from brownout.harness.record.history import Event, History, Recorder, RequestRecord, read_history
from brownout.harness.record.in_memory import MemoryRecorder
from brownout.harness.record.result import Severity
from brownout.harness.run.prepare import PreparedRun


class _Files:
    """What is recorded in a run's folder, by this process and by others."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._tail = recorder, LogTail(recorder.folder)

    def new_requests(self) -> Iterable[RequestRecord]:
        self._recorder.flush()
        return self._tail.read()

    def history(self) -> History:
        self._recorder.flush()
        return read_history(self._recorder.folder)


class Journal:
    """Writes one run's events. `now` is emulated time, in epoch seconds."""

    def __init__(self, run: PreparedRun, recorder: Recorder | MemoryRecorder, now: Callable[[], float]) -> None:
        self._recorder, self._now = recorder, now
        self._recorded = recorder if isinstance(recorder, MemoryRecorder) else _Files(recorder)
        self._steps = {resolved.step.name: resolved.step for resolved in run.steps}

    @property
    def folder(self) -> Path:
        """The run folder, or a path below which nothing can be written for a record in memory."""
        return self._recorder.folder

    def new_requests(self) -> Iterable[RequestRecord]:
        """The requests that ended since the last call; of one log in the order in which they ended."""
        return self._recorded.new_requests()

    def history(self) -> History:
        """Everything recorded so far."""
        return self._recorded.history()

    def event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """Records an event of record.history's kinds."""
        self._recorder.event(Event(round(self._now(), 6), kind, what, subject, dict(detail or {})))

    def act(self, what: str, step: Step, detail: Mapping[str, Any]) -> None:
        """Records what the conductor did about a step."""
        self.event("act", what, step.name, {"role": step.role, "fault": step.fault, "note": step.note, **detail})

    def notice(self, notice: Notice) -> None:
        """Records what the life cycle did about a step's fault."""
        record = notice.record
        step = self._steps[record.step]
        detail = {"role": step.role, "note": step.note, "fault_id": record.id, "fault": record.kind, **_detail(notice)}
        self.event("act", notice.what, record.step, detail)

    def gate(self, name: str, *, passed: bool, reason: str, severity: Severity = "inconclusive") -> None:
        """Records a gate that only the run itself can decide."""
        self.event("gate", name, detail={"passed": passed, "reason": reason, "severity": severity})


def _detail(notice: Notice) -> Mapping[str, Any]:
    """What a notice says beyond which fault it is about, as the history has it."""
    match notice:
        case Intended(describe=describe, before=before, unchanged=unchanged):
            return {"describe": describe, "before": before} | ({"unchanged": unchanged} if unchanged else {})
        case ForeignHolds(holds=holds):
            return {"holds": list(holds)}
        case InPlace(record=record):
            return {"carriers": [str(carrier) for carrier in record.carriers]}
        case BiteSeen(evidence=evidence, looks=looks):
            return {"evidence": evidence, "looks": dict(looks)}
        case BiteMissing(evidence=evidence) | ActFailed(evidence=evidence) | UndoStep(evidence=evidence):
            return {"evidence": evidence}
        case HoldSeen(evidence=evidence, seen_s=seen_s) | HoldLost(evidence=evidence, seen_s=seen_s):
            return {"evidence": evidence, "seen_s": round(seen_s, 6)}
        case LateHoldReleased(carrier=carrier):
            return {"carrier": carrier}
