"""The history: what is written is read again, in a form that is the same for equal records."""

from __future__ import annotations

from pathlib import Path

import orjson

from brownout.harness.record.history import Event, Recorder, RequestRecord, read_history, to_line

RECORD = RequestRecord(
    id="warm-000001",
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
    error="",
    trail="sydney.host;;;;hit",
    front_end="arm",
)


def test_a_line_has_every_field_in_alphabetical_order() -> None:
    """A field that is added to the record and not to its line is noticed here."""
    assert list(orjson.loads(to_line(RECORD))) == sorted(RequestRecord._fields)


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    """Requests and events come back equal; a torn last line does not come back."""
    event = Event(1720743600.0, "act", "applied", "a-fault", {"b": 1, "a": [2]})
    recorder = Recorder(tmp_path)
    recorder.event(event)
    recorder.request(RECORD)
    recorder.close()
    with (tmp_path / "requests.jsonl").open("ab") as log:
        log.write(to_line(RECORD).encode()[:-5])
    history = read_history(tmp_path)
    assert (history.events, history.requests) == ((event,), (RECORD,))


def test_an_event_is_on_disk_when_it_is_recorded(tmp_path: Path) -> None:
    """A run that is killed has told how far it came."""
    recorder = Recorder(tmp_path)
    recorder.event(Event(1.0, "phase", "fault"))
    assert [event.what for event in read_history(tmp_path).events] == ["fault"]
    recorder.close()


def test_a_line_of_another_version_is_read(tmp_path: Path) -> None:
    """Fields that an older log lacks have their defaults, and keys that only a newer one has are ignored."""
    line = {"later": 1, **orjson.loads(to_line(RECORD))}
    del line["front_end"], line["trail"]
    (tmp_path / "events.jsonl").touch()
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    assert read_history(tmp_path).requests == (RECORD._replace(front_end="", trail=""),)
