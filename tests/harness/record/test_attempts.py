"""A canary's log: what was written is read back, and what a kill tore is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.record.attempts import Attempt, log_path, read_attempts

ATTEMPT = Attempt("sync", "web-1", True, 10.0, 12.5, 0.5, False, False, "ClientAuthenticationError", "no token")


def test_an_attempt_comes_back_from_its_log(tmp_path: Path) -> None:
    """Whole lines are read, log by log; a torn last line is no attempt."""
    log_path(tmp_path, "sync").write_bytes(ATTEMPT.to_line() + ATTEMPT.to_line()[:-9])
    log_path(tmp_path, "async").write_bytes(b"")
    assert list(read_attempts(tmp_path)) == [ATTEMPT]


def test_a_later_versions_key_does_no_harm_and_a_missing_one_is_named() -> None:
    """A line without all keys is damaged."""
    line = ATTEMPT.to_line().decode()
    assert Attempt.from_line(line.replace("{", '{"later": 1, ', 1)) == ATTEMPT
    with pytest.raises(TypeError, match="client"):
        Attempt.from_line("{}")
