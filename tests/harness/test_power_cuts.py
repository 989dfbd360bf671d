"""What a power cut must not take away is on the disk before its writer returns: content and name.

Nothing else shows whether it is: a file that was only written looks the same until the power is cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from brownout.harness.base.halt import halt
from brownout.harness.base.processes import ProcessId
from brownout.harness.injection.lease import Lease
from brownout.harness.injection.stack_entry import StackEntry
from brownout.harness.judge.run_folder import write_result
from brownout.harness.series.folder import write_series_result
from brownout.harness.series.plan import new_series_folder
from brownout.harness.series.verdict import judge_series
from support.series_results import made, run_result, series_plan

Write = Callable[[Path], object]
KEPT: dict[str, Write] = {
    "the halt": lambda folder: halt(folder, "why"),
    "the entry of a stack": lambda folder: StackEntry("s", "file", True, ProcessId.me(), standing=False).write(folder),
    "the result of a run": lambda folder: write_result(folder, run_result()),
    "the plan of a series": lambda folder: new_series_folder(series_plan(5), folder),
    "the result of a series": lambda folder: write_series_result(folder, judge_series(*made([run_result()] * 5))),
}


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were synced, by the names that they had then."""
    found: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


@pytest.mark.parametrize("write", KEPT.values(), ids=KEPT)
def test_what_must_survive_a_power_cut_is_synced(tmp_path: Path, synced: list[Path], write: Write) -> None:
    """First the content under its draft's name, then the folder that has the new name."""
    write(tmp_path)
    draft, folder = synced
    assert draft.is_relative_to(tmp_path)
    assert not draft.exists(), "it has its own name now"
    assert folder == draft.parent


def test_a_lease_is_not_synced(tmp_path: Path, synced: list[Path]) -> None:
    """It lives no longer than the boot, and a stalled disk must not make a living run miss its renewal."""
    Lease(tmp_path, ttl_s=10.0).renew()
    assert synced == []
