"""Reading logs that are being written, the generator's own counters, and the two clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.load.log_tail import LogTail
from brownout.harness.record.history import RequestRecord, read_history, to_line
from brownout.suites.load.meter import LineFile, Meter


def record(number: int) -> RequestRecord:
    return RequestRecord(
        id=f"warm-{number:06d}",
        cohort="warm",
        operation="token",
        region="sydney",
        home="sydney",
        machine="vm1",
        intended_s=float(number),
        sent_s=float(number),
        done_s=float(number),
        latency_ms=1.0,
        status=200,
        outcome="happened",
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as log:
        log.write(text)


def test_each_whole_line_is_handed_out_once(tmp_path: Path) -> None:
    """A record appears when its line is complete, once, whichever file it is in and whenever the file appeared."""
    tail, first, second = LogTail(tmp_path), to_line(record(1)), to_line(record(2))
    assert list(tail.read()) == []
    append(tmp_path / "requests-0.jsonl", first + second[:20])
    assert list(tail.read()) == [record(1)]
    assert tail.torn
    append(tmp_path / "requests-0.jsonl", second[20:])
    append(tmp_path / "requests-1.jsonl", to_line(record(3)))
    assert list(tail.read()) == [record(2), record(3)]
    assert not tail.torn
    assert list(tail.read()) == []


def test_a_torn_last_line_is_ignored_by_every_reader(tmp_path: Path) -> None:
    """A line that a kill cut short is neither an error nor a record, live or afterwards."""
    append(tmp_path / "requests-0.jsonl", to_line(record(1)) + to_line(record(2))[:-10])
    append(tmp_path / "events.jsonl", "")
    assert list(LogTail(tmp_path).read()) == [record(1)]
    assert read_history(tmp_path).requests == (record(1),)


def test_whole_lines_that_are_no_records_are_counted(tmp_path: Path) -> None:
    """Garbage does not stop the reading and does not pass unnoticed."""
    append(tmp_path / "requests-0.jsonl", 'nonsense\n{"id": "x"}\n[1]\n' + to_line(record(4)))
    tail = LogTail(tmp_path)
    assert list(tail.read()) == [record(4)]
    assert tail.unreadable == 3


def test_line_file_writes_whole_lines_and_appends(tmp_path: Path) -> None:
    """Nothing is written before a flush, everything after it, and a second writer appends."""
    path = tmp_path / "logs" / "lines.jsonl"
    for text in ("one\n", "two\n"):
        lines = LineFile(path)
        lines.add(text)
        before = path.read_text()
        lines.flush()
        lines.flush()
        assert path.read_text() == before + text


@pytest.mark.parametrize(("slow", "expected_ms"), [(0, 1.0), (10, 1.0), (11, 80.0), (1000, 80.0)])
def test_lag_p99_is_the_lag_that_one_in_a_hundred_exceeds(slow: int, expected_ms: float) -> None:
    """Of 1,000 lags the tenth largest may be forgotten, the eleventh may not."""
    meter = Meter()
    assert meter.lag_p99_ms() == 0.0
    for index in range(1000):
        meter.lag(0.080 if index < slow else 0.001)
    assert meter.lag_p99_ms() == expected_ms
