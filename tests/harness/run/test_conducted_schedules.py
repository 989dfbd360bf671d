"""Runs of searched schedules against files of what they are to tell, each event at its time. See support/conducted_runs.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.experiment import plugins
from support.conducted_runs import APPROVED, approved, conducted

BUNDLED = plugins.faults()
FILES = sorted(APPROVED.glob("*.txt"))


@pytest.fixture(autouse=True)
def quiet_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs are about the real faults."""
    monkeypatch.setattr(plugins, "faults", lambda: BUNDLED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_schedule_is_conducted_as_approved(path: Path) -> None:
    """The acts in order with their evidence and times, the looks at the stack, what was shown, and the ledger's last states."""
    told, lines = approved(path)
    assert conducted(told) == lines


def test_the_approved_runs_have_all_that_can_become_of_an_act() -> None:
    """Acts that bite, do not bite, fail, are refused, are lost, get stuck and heal, at three rates of the clock."""
    runs = [approved(path) for path in FILES]
    acts = {words[2] for _, lines in runs for words in map(str.split, lines) if words[1] == "act"}
    assert {"bitten", "absent", "failed", "defended", "lost", "stuck", "healed", "seen", "reported"} <= acts
    assert {told.rate for told, _ in runs} == {1.0, 3.0, 20.0}
