"""The history: what is written is read again, in a form that is the same for equal records."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import orjson
import pytest

from brownout.harness.errors import FileError
from brownout.harness.record.history import REQUESTS_IN_BLOCK, Event, Recorder, RequestRecord, read_history, to_line

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


def kept(folder: Path, *records: RequestRecord) -> Path:
    """A folder whose requests are in this process's memory too; its log of them."""
    recorder = Recorder(folder, keeps=True)
    recorder.event(Event(1.0, "run", "started"))
    for record in records:
        recorder.request(record)
        recorder.attempt(record._replace(id=f"{record.id}/1"))
    recorder.close()
    return folder / "requests.jsonl"


def test_what_is_kept_is_what_the_lines_say(tmp_path: Path) -> None:
    """The records of memory are given back themselves, and a copy of the folder, which has to be read, gives equal ones."""
    kept(tmp_path / "run", RECORD, RECORD._replace(id="warm-000000", error="late"))
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    own, copied = read_history(tmp_path / "run"), read_history(tmp_path / "copy")
    assert own == copied
    assert own.requests[1] is RECORD
    assert copied.requests[1] is not RECORD


def test_a_log_that_is_changed_after_it_was_read_is_read_again(tmp_path: Path) -> None:
    """That what is kept is sound is remembered, and that the file has it is looked up each time."""
    log = kept(tmp_path, RECORD)
    assert read_history(tmp_path).requests[0] is RECORD
    assert read_history(tmp_path).requests[0] is RECORD
    log.write_bytes(to_line(RECORD).replace('"status":200', '"status":500').encode())
    assert [request.status for request in read_history(tmp_path).requests] == [500]


def test_a_log_that_was_changed_is_read(tmp_path: Path) -> None:
    """The file is the record: one byte of another kind, or one line less, and memory does not count."""
    log = kept(tmp_path, RECORD)
    changed = to_line(RECORD).replace('"status":200', '"status":500').encode()
    log.write_bytes(changed)
    assert [request.status for request in read_history(tmp_path).requests] == [500]
    log.write_bytes(b"")
    assert read_history(tmp_path).requests == ()


def test_what_was_there_before_a_recorder_that_keeps_is_read_too(tmp_path: Path) -> None:
    """A recorder goes on behind the lines that a log has."""
    logged(tmp_path, "requests.jsonl", line(id="earlier"))
    kept(tmp_path, RECORD)
    assert [request.id for request in read_history(tmp_path).requests] == ["earlier", RECORD.id]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("status", None, "status should be a whole number"),
        ("latency_ms", math.nan, "latency_ms should be a number"),
        ("intended_s", -1.0, "is no time"),
        ("outcome", "fine", "one of happened, refused, unknown"),
        ("credentials", "none", "tells no credentials"),
        ("trail", ";;;;;;;;;", "is no trail"),
    ],
)
def test_a_damaged_line_is_named_though_it_is_kept(tmp_path: Path, field: str, value: object, words: str) -> None:
    """What a reader of the file refuses does not pass because it was this process that wrote it."""
    log = kept(tmp_path, RECORD, RECORD._replace(id="bad", **{field: value}))
    with pytest.raises(FileError, match=words) as told:
        read_history(tmp_path)
    assert (told.value.path, told.value.line) == (str(log), 2)


def test_an_event_is_on_disk_when_it_is_recorded(tmp_path: Path) -> None:
    """A run that is killed has told how far it came."""
    recorder = Recorder(tmp_path)
    recorder.event(Event(1.0, "phase", "fault"))
    assert [event.what for event in read_history(tmp_path).events] == ["fault"]
    recorder.close()


@pytest.mark.parametrize("count", [1, REQUESTS_IN_BLOCK, 3 * REQUESTS_IN_BLOCK + 1])
def test_requests_are_written_in_blocks_and_whole_after_a_flush(count: int, tmp_path: Path) -> None:
    """A full block is in the file by itself; `flush` puts the rest there, and closing adds nothing more."""
    recorder = Recorder(tmp_path)
    records = [RECORD._replace(id=f"warm-{number}") for number in range(count)]
    for record in records:
        recorder.request(record)
    log, lines = tmp_path / "requests.jsonl", [to_line(record) for record in records]
    assert log.read_text() == "".join(lines[: count - count % REQUESTS_IN_BLOCK])
    recorder.flush()
    assert log.read_text() == "".join(lines)
    recorder.close()
    assert log.read_text() == "".join(lines)


def test_a_line_of_another_version_is_read(tmp_path: Path) -> None:
    """Fields that an older log lacks have their defaults, and keys that only a newer one has are ignored."""
    line = {"later": 1, **orjson.loads(to_line(RECORD))}
    del line["front_end"], line["trail"]
    (tmp_path / "events.jsonl").touch()
    (tmp_path / "requests.jsonl").write_bytes(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    assert read_history(tmp_path).requests == (RECORD._replace(front_end="", trail=""),)


def logged(folder: Path, name: str, *lines: bytes) -> Path:
    """A log with these lines, in a folder with an empty event log."""
    (folder / "events.jsonl").touch()
    (folder / name).write_bytes(b"".join(lines))
    return folder / name


def line(**changes: object) -> bytes:
    return orjson.dumps({**RECORD._asdict(), **changes}, option=orjson.OPT_APPEND_NEWLINE)


@pytest.mark.parametrize(
    ("name", "bad", "words"),
    [
        ("requests-0.jsonl", b"{\n", "no JSON"),
        ("requests-0.jsonl", b"[]\n", "no JSON object"),
        ("requests-0.jsonl", b'{"id": "x"}\n', "cohort"),
        ("requests-0.jsonl", line(intended_s="now"), "intended_s should be a number, not 'now'"),
        ("requests-0.jsonl", line(status=200.5), "status should be a whole number"),
        ("requests-0.jsonl", line(outcome="fine"), "one of happened, refused, unknown"),
        ("events.jsonl", b'{"at_s": 1}\n', "the key 'kind' is missing"),
        ("events.jsonl", b'{"at_s": 1, "kind": "act", "what": "x", "detail": 3}\n', "detail should be an object"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, name: str, bad: bytes, words: str) -> None:
    """The error names the log that has it, among several, and the line."""
    good = line(id="other") if name != "events.jsonl" else b'{"at_s": 1, "kind": "run", "what": "started"}\n'
    logged(tmp_path, "requests-1.jsonl", line())
    path = logged(tmp_path, name, good, bad)
    with pytest.raises(FileError, match=words) as told:
        read_history(tmp_path)
    assert (told.value.path, told.value.line) == (str(path), 2)


@pytest.mark.parametrize("name", ["requests-0.jsonl", "requests-copy.jsonl"])
def test_a_request_that_is_there_twice_is_damage(tmp_path: Path, name: str) -> None:
    """A copied log, or a copied line, would count its requests twice; the error names the second one's place and the first."""
    logged(tmp_path, "requests-0.jsonl", line(), line(id="other"))
    with (tmp_path / name).open("ab") as log:
        log.write(line(id="third") + line())
    with pytest.raises(FileError, match=r"warm-000001 is also in .*1") as told:
        read_history(tmp_path)
    assert (told.value.path, told.value.line) == (str(tmp_path / name), 4 if name == "requests-0.jsonl" else 2)
