"""What a build says when a program fails or is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from brownout.harness.worlds.compose.images.programs import ImageError, run, trouble


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("write /x: no space left on device", "free disk space"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "start the engine"),
        ("permission denied while trying to connect to the Docker daemon socket", "group docker"),
        ("Temporary failure in name resolution", "check the network"),
        ("dial tcp: lookup proxy: no such host", "`brownout images --offline`"),
        ("E: Unable to locate package", ""),
    ],
)
def test_a_step_that_fails_says_what_to_do(said: str, fix: str) -> None:
    """The error quotes the program's last output, with the fix if it is known."""
    told = trouble("a step", said)
    assert told.message == f"a step failed:\n{said}"
    assert fix in told.hint
    assert bool(told.hint) is bool(fix)


@pytest.mark.parametrize("program", ["docker", "mmdebstrap"])
def test_a_program_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    """Its name, and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=f"{program} is not installed") as told:
        run([program, "--version"])
    assert told.value.hint


def test_output_that_is_no_text_is_read() -> None:
    """A program may print any bytes before it fails."""
    code = r"import sys; sys.stdout.buffer.write(b'\xff broken'); sys.exit(1)"
    with pytest.raises(ImageError, match="broken"):
        run([sys.executable, "-c", code])
