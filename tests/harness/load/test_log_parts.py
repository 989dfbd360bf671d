"""The log of a load without an end: in parts, of which the newest are kept, and followed across them."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.load.log_tail import PARTS, LogTail
from brownout.harness.record.history import RequestRecord, to_line
from brownout.suites.load.meter import LineFile


def line(number: int) -> str:
    return to_line(RequestRecord(f"c-{number:06d}", "c", "token", "sydney", "sydney", "vm1", 1, 1, 1, 2.0, 200, "happened"))


def test_parts_follow_each_other_and_the_newest_stay(tmp_path: Path) -> None:
    """A reader that keeps up sees every line once; a late one sees the newest parts; the disk holds no more than PARTS."""
    log, tail, seen = LineFile(tmp_path / "requests-0.jsonl", part_bytes=len(line(0)) * 10), LogTail(tmp_path), []
    for number in range(100):
        log.add(line(number))
        log.flush()
        seen += [record.id for record in tail.read()]
    assert seen == [f"c-{number:06d}" for number in range(100)]
    assert len(list(tmp_path.iterdir())) == PARTS
    late = sorted(record.id for record in LogTail(tmp_path).read())
    assert late == [f"c-{number:06d}" for number in range(100 - PARTS * 10, 100)]


def test_a_runs_log_is_one_file(tmp_path: Path) -> None:
    """Without a part's length nothing is ever taken away."""
    log = LineFile(tmp_path / "requests-0.jsonl")
    for number in range(100):
        log.add(line(number))
        log.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["requests-0.jsonl"]
