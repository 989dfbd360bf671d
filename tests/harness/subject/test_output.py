"""What an application prints, in the record: bounded, masked, its newest part kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from brownout.harness.subject import output as module
from brownout.harness.subject.output import PrintedOutput

SECRET = "s3cret-of-the-run"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3ZWItMSJ9.c2lnbmF0dXJl"


def test_secrets_and_tokens_are_masked_in_pieces_too(tmp_path: Path) -> None:
    """A secret is found though it came in two pieces; what is printed at last without a line's end is kept."""
    printed = PrintedOutput(tmp_path, [SECRET, "short"])
    for piece in (b"key=s3cret-of", b"-the-run end\n", f"Bearer {TOKEN}\n".encode(), b"a short word"):
        printed.take(piece)
    printed.end()
    assert (tmp_path / "subject.log").read_text() == "key=[masked] end\nBearer [masked]\na short word\n"
    assert stat.S_IMODE((tmp_path / "subject.log").stat().st_mode) == 0o600


def test_a_flood_keeps_its_newest_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files of a bounded size hold the end; what is gone is counted."""
    monkeypatch.setattr(module, "FILE_BYTES", 1000)
    printed = PrintedOutput(tmp_path, [])
    for number in range(500):
        printed.take(f"line {number}\n".encode())
    printed.end()
    kept = (tmp_path / "subject.older.log").read_text() + (tmp_path / "subject.log").read_text()
    assert kept.endswith("line 499\n")
    assert len(kept) <= 2000
    assert printed.written_bytes - printed.dropped_bytes == len(kept)
    assert printed.last_lines().endswith("line 499")


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    """It does not grow in memory."""
    printed = PrintedOutput(tmp_path, [])
    printed.take(b"x" * (3 * module.LINE_MAX))
    printed.end()
    assert [len(line) for line in (tmp_path / "subject.log").read_text().splitlines()] == [module.LINE_MAX] * 3
