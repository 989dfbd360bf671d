"""A canary's log: what was written is read back, and what a kill tore is left out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from brownout.harness.errors import FileError
from brownout.harness.record.attempts import Attempt, log_path, read_attempts

ATTEMPT = Attempt("sync", "web-1", True, 10.0, 12.5, 0.5, False, False, "ClientAuthenticationError", "no token")


def test_an_attempt_comes_back_from_its_log(tmp_path: Path) -> None:
    """Whole lines are read, log by log; a torn last line is no attempt, and a copied log is not read."""
    log_path(tmp_path, "sync").write_bytes(ATTEMPT.to_line() + ATTEMPT.to_line()[:-9])
    log_path(tmp_path, "async").write_bytes(b"")
    (tmp_path / "canary-sync-copy.jsonl").write_bytes(ATTEMPT.to_line())
    assert list(read_attempts(tmp_path)) == [ATTEMPT]


def test_a_later_versions_key_does_no_harm() -> None:
    """What this version does not know is left out."""
    assert Attempt.of({"later": 1, **asdict(ATTEMPT)}) == ATTEMPT


def test_an_earlier_version_s_line_is_about_tokens() -> None:
    """Logs had no operation while canaries only got tokens."""
    raw = asdict(ATTEMPT)
    del raw["operation"]
    assert Attempt.of(raw) == ATTEMPT


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [(ATTEMPT, "new"), (replace(ATTEMPT, fresh=False), "warm"), (replace(ATTEMPT, machine="", fresh=False), "none")],
)
def test_an_attempt_knows_its_kind_of_machine(attempt: Attempt, kind: str) -> None:
    """New, warm, or none at all."""
    assert attempt.machine_kind == kind


@pytest.mark.parametrize(
    ("change", "words"),
    [({"client": "go"}, "sync, async, boto3"), ({"ok": 1}, "ok should be true or false, not 1"), ({"wall_s": "x"}, "a number")],
)
def test_a_damaged_line_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    """The error has the log's path and the line."""
    path = log_path(tmp_path, "sync")
    path.write_bytes(ATTEMPT.to_line() + orjson.dumps({**asdict(ATTEMPT), **change}) + b"\n")
    with pytest.raises(FileError, match=words) as told:
        list(read_attempts(tmp_path))
    assert (told.value.path, told.value.line) == (str(path), 2)
