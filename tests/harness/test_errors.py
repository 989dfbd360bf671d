"""Errors are for people: what they quote can be anything, and what they print is short and safe for a terminal."""

from __future__ import annotations

from brownout.harness.errors import FileError, UsageError


def test_a_message_cannot_steer_a_terminal() -> None:
    """Control characters and halves of surrogate pairs are shown as what they are; line breaks stay."""
    error = UsageError("there is no '\x1b[2J\ud800'\nnext", hint="name\x07")
    assert error.message == "there is no '\\x1b[2J\\ud800'\nnext"
    assert error.hint == "name\\x07"
    str(error).encode()


def test_a_long_line_loses_its_middle() -> None:
    """The end often has the reason: a path of 5,000 characters keeps it."""
    error = UsageError(f"{'x' * 5_000} cannot be read: File name too long")
    assert len(error.message) < 500
    assert error.message.endswith("cannot be read: File name too long")


def test_a_file_error_keeps_its_parts() -> None:
    """Place and problem are there for programs."""
    error = FileError("plan.yaml", 3, 4, "is wrong", hint="write it right")
    assert (error.path, error.line, error.column, error.problem) == ("plan.yaml", 3, 4, "is wrong")
    assert str(error) == "plan.yaml:3:4: is wrong\n  -> write it right"
