"""What a command does and its exit code do not depend on who reads it, or on what there is room for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from brownout.harness.api import Options, run
from brownout.harness.experiment.loader import load
from brownout.harness.record.history import Event, Recorder, RecordLost
from brownout.harness.run import simulated
from support.brownout_command import PROGRAM, TIMEOUT_S, small

pytestmark = pytest.mark.slow

LOST = "brownout: the output could not be written: No space left on device\n"


def in_shell(work: Path, text: str) -> tuple[int, str]:
    """Exit code and standard error of `brownout` with this shell's redirections."""
    told = subprocess.run(
        ["/bin/sh", "-c", f'exec "{PROGRAM}" {text}'],
        cwd=work,
        env={**os.environ, "BROWNOUT_HOME": str(work / "home")},
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return told.returncode, told.stderr


@pytest.mark.parametrize(
    ("redirected", "said"), [(">&-", ""), ("> /dev/full", LOST), (">&- 2>&-", ""), ("> /dev/full 2>&1", "")]
)
def test_a_run_keeps_its_verdict_and_folder_whatever_its_output_is(tmp_path: Path, redirected: str, said: str) -> None:
    """Closed and full streams change neither the exit code nor what is saved."""
    small(tmp_path)
    assert in_shell(tmp_path, f"run small.yaml --world simulation {redirected}") == (1, said)
    assert {"report.html", "result.json"} <= {path.name for path in (tmp_path / "runs" / "small-simulation-plain-1").iterdir()}


@pytest.mark.parametrize("words", ["faults", "schema", "--help"])
def test_lost_output_is_said_and_no_success_for_commands_that_only_print(tmp_path: Path, words: str) -> None:
    """A script must not take half a listing for a whole one."""
    assert in_shell(tmp_path, f"{words} > /dev/full") == (4, LOST)
    assert in_shell(tmp_path, f"{words} >&-") == (0, "")


def test_a_record_that_cannot_be_written_is_one_sentence_and_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its record a run has no verdict, and says why."""

    class OnFullDisk(Recorder):
        def event(self, event: Event) -> None:
            super().event(event)
            self._events.close()
            self._events = Path("/dev/full").open("ab")  # noqa: SIM115  # the recorder closes it

    monkeypatch.setattr(simulated, "Recorder", OnFullDisk)
    with pytest.raises(RecordLost, match="cannot be written: No space left on device"):
        run(load(small(tmp_path)), Options(out=tmp_path / "out", controls=False))


def test_conclusions_that_cannot_be_saved_leave_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is told with what could not be saved and how to make it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brownout.harness.api.write_result", full)
    outcome = run(load(small(tmp_path)), Options(out=tmp_path / "out", controls=False))
    assert outcome.result.verdict == "breach"
    assert outcome.unsaved == (
        f"no result.json in {outcome.folder}: No space left on device; `brownout report {outcome.folder}` makes it",
    )
