"""What a run writes into its history, with the words of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from brownout.harness.injection.ledger_records import FaultRecord
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
from brownout.harness.record.history import Recorder, RequestRecord
from brownout.harness.run.journal import Journal
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.world import Carrier
from support.small_day import small_day

RECORD = cast(FaultRecord, SimpleNamespace(id="f1", kind="x", step="held", carriers=(Carrier("node", "sydney.vault"),)))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    steps = [{"name": "held", "at": "01:00", "role": "fault", "fault": "x", "note": "as it was"}]
    recorder = Recorder(tmp_path)
    yield Journal(prepare(small_day(schedule=steps), Options()), recorder, lambda: 12.3456789)
    recorder.close()


def test_an_event_has_emulated_time_to_the_microsecond(journal: Journal) -> None:
    """Events are written as they happen and can be read back at once."""
    journal.event("note", "primed", "sydney", {"tokens": 3})
    (event,) = journal.history().events
    assert (event.at_s, event.kind, event.what, event.subject, event.detail) == (
        12.345679,
        "note",
        "primed",
        "sydney",
        {"tokens": 3},
    )


def test_a_gate_has_its_reason_and_severity(journal: Journal) -> None:
    """A gate that fails makes a run inconclusive unless it says worse."""
    journal.gate("stack-whole", passed=False, reason="a node died", severity="harness-error")
    journal.gate("mild", passed=True, reason="fine")
    severe, mild = journal.history().events
    assert (severe.what, severe.detail["severity"], severe.detail["passed"]) == ("stack-whole", "harness-error", False)
    assert mild.detail["severity"] == "inconclusive"


@pytest.mark.parametrize(
    ("notice", "what", "detail"),
    [
        (Intended(RECORD, "nothing", "absent"), "intended", {"describe": "nothing", "before": "absent"}),
        (ForeignHolds(RECORD, ("node:a: other",)), "foreign", {"holds": ["node:a: other"]}),
        (InPlace(RECORD, 0.0), "applied", {"carriers": ["node:sydney.vault"]}),
        (BiteSeen(RECORD, "it is down", {"a": 1}), "bitten", {"evidence": "it is down", "looks": {"a": 1}}),
        (BiteMissing(RECORD, "it is up"), "absent", {"evidence": "it is up"}),
        (ActFailed(RECORD, "no such node"), "failed", {"evidence": "no such node"}),
        (UndoStep(RECORD, "reverted", ""), "released", {"evidence": ""}),
        (UndoStep(RECORD, "healed", "it is up"), "healed", {"evidence": "it is up"}),
        (LateHoldReleased(RECORD, "node:a"), "swept", {"carrier": "node:a"}),
        (
            Intended(RECORD, "x", "absent", "as it is"),
            "intended",
            {"describe": "x", "before": "absent", "unchanged": "as it is"},
        ),
        (HoldSeen(RECORD, 12.3456789, "down"), "seen", {"evidence": "down", "seen_s": 12.345679}),
        (HoldLost(RECORD, 12.3456789, "up"), "lost", {"evidence": "up", "seen_s": 12.345679}),
    ],
)
def test_a_notice_becomes_an_act_of_its_step(journal: Journal, notice: Notice, what: str, detail: dict[str, Any]) -> None:
    """Role and note are the step's, fault and id the ledger's, and the rest is what the life cycle noticed."""
    journal.notice(notice)
    (event,) = journal.history().events
    assert (event.kind, event.what, event.subject) == ("act", what, "held")
    assert event.detail == {"role": "fault", "note": "as it was", "fault_id": "f1", "fault": "x", **detail}


def test_requests_are_read_back_at_once_though_they_are_written_in_blocks(tmp_path: Path) -> None:
    """The baseline's requests decide whether the first fault is injected."""
    recorder = Recorder(tmp_path)
    journal = Journal(prepare(small_day(), Options()), recorder, lambda: 1.0)
    recorder.request(RequestRecord("r", "warm", "token", "sydney", "sydney", "web-1", 1.0, 1.0, 1.1, 100.0, 200, "happened"))
    assert [request.id for request in journal.history().requests] == ["r"]
    recorder.close()
