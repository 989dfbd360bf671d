"""A record in memory: the history that the files of the same run would be read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.record.history import Event, Recorder, RequestRecord, read_history
from brownout.harness.record.in_memory import MemoryRecorder

RECORD = RequestRecord(
    id="warm-0",
    cohort="warm",
    operation="token",
    region="sydney",
    home="melbourne",
    machine="web-1",
    intended_s=1720743600.25,
    sent_s=1720743600.25,
    done_s=1720743600.251,
    latency_ms=1.0,
    status=200,
    outcome="happened",
    trail="sydney.host;;;;hit",
)


def recorded(recorder: Recorder | MemoryRecorder) -> None:
    """Two events, of which one's detail changes afterwards, three requests out of order, and an attempt."""
    detail: dict[str, Any] = {"looks": {"b": (1, 2), "a": 2.0}}
    recorder.event(Event(1720743600.0, "act", "applied", "a-fault", detail))
    detail["looks"] = "what it is later"
    recorder.event(Event(1720743601.5, "run", "finished"))
    for number, at_s in ((2, 1.0), (1, 1.0), (3, 0.5)):
        recorder.request(RECORD._replace(id=f"warm-{number}", intended_s=RECORD.intended_s + at_s))
    recorder.attempt(RECORD._replace(operation="attempt"))
    recorder.flush()


def test_it_gives_what_would_be_read_of_its_files(tmp_path: Path) -> None:
    """Events as they were at their moment and as JSON has them; requests in the order of their times."""
    files, memory = Recorder(tmp_path), MemoryRecorder()
    for each in (files, memory):
        recorded(each)
    files.close()
    assert memory.history() == read_history(tmp_path)
    assert memory.history().events[0].detail == {"looks": {"a": 2.0, "b": [1, 2]}}


def test_new_requests_are_told_once() -> None:
    """In the order in which they ended."""
    recorder = MemoryRecorder()
    recorded(recorder)
    assert [request.id for request in recorder.new_requests()] == ["warm-2", "warm-1", "warm-3"]
    recorder.request(RECORD)
    assert list(recorder.new_requests()) == [RECORD]
    assert not recorder.new_requests()


def test_an_event_that_could_not_be_read_again_is_refused() -> None:
    """At once, where it was made."""
    with pytest.raises(TypeError, match=r"detail\.passed should be true or false"):
        MemoryRecorder().event(Event(1.0, "gate", "healed", detail={"passed": "yes"}))


@pytest.mark.parametrize("changed", [{"intended_s": -1.0}, {"outcome": "perhaps"}, {"status": "200"}, {"trail": "no hop;"}])
@pytest.mark.parametrize("kind", ["request", "attempt"])
def test_a_request_that_could_not_be_read_again_is_refused(changed: dict[str, Any], kind: str) -> None:
    """With the history, as a reader of its file would."""
    recorder = MemoryRecorder()
    record: RequestRecord = RECORD._replace(**changed)
    (recorder.request if kind == "request" else recorder.attempt)(record)
    with pytest.raises((TypeError, ValueError)):
        recorder.history()
