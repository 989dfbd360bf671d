"""The times of faults' blocks are complete."""

from __future__ import annotations

from benchmarks.fault_block import FAULTS, OWN_TIME, SITUATIONAL
from brownout.harness.experiment.plugins import faults
from brownout.harness.worlds.catalog import PROCESSES, WORLDS


def test_every_fault_of_processes_is_timed() -> None:
    """Each kind that processes can have is timed, or is named among those that a quiet stack does not show."""
    able = {kind for kind, fault in faults().items() if fault.needs <= WORLDS[PROCESSES].abilities}
    shipped = {kind for kind in able if faults()[kind].__module__.startswith("brownout.faults.")}
    assert {*FAULTS, *SITUATIONAL} == shipped
    assert not SITUATIONAL & FAULTS.keys()
    assert OWN_TIME.keys() <= FAULTS.keys()
