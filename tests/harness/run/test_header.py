"""A run's folder and header: named after the run, never overwritten, complete before anything starts."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.judge.run_folder import read_record
from brownout.harness.run.header import new_run_folder, versions, write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import PreparedRun, prepare
from support.small_day import small_day


def prepared(**options: Any) -> PreparedRun:
    return prepare(small_day(settings={"key_overlap_s": 5}), Options(**options), source="day.yaml")


def test_the_header_has_all_that_the_history_lacks(tmp_path: Path) -> None:
    """Experiment, posture, seed and settings as they were run; the settings are the posture's over the experiment's."""
    run = prepared(seed=9, posture="repaired", expect="pass")
    write_run_file(tmp_path, run)
    header = read_record(tmp_path).header
    assert header.experiment == run.experiment
    assert (header.world, header.posture, header.seed, header.expected) == ("simulation", "repaired", 9, "pass")
    assert header.parameters == {"key_overlap_s": 5}
    assert header.versions == versions()
    assert header.clock_rate == 1.0
    assert datetime.fromisoformat(header.started_at).tzinfo is not None
    assert json.loads((tmp_path / "run.json").read_bytes())["source"] == "day.yaml"


def test_the_header_says_how_to_repeat_the_run(tmp_path: Path) -> None:
    """A run that was not started by a command gets the command that would make it."""
    write_run_file(tmp_path, prepared(seed=9))
    assert read_record(tmp_path).header.command == "brownout run small --world simulation --posture fragile --seed 9"
    write_run_file(tmp_path, prepared(command="brownout run day.yaml"))
    assert read_record(tmp_path).header.command == "brownout run day.yaml"


def test_a_run_folder_is_never_used_twice(tmp_path: Path) -> None:
    """Its name says which run it is, with a number from the second on."""
    run = prepared(out=tmp_path / "runs", seed=4)
    names = [new_run_folder(run).name for _ in range(3)]
    assert names == ["small-simulation-fragile-4", "small-simulation-fragile-4-2", "small-simulation-fragile-4-3"]


def test_a_folder_that_cannot_be_made_is_bad_usage(tmp_path: Path) -> None:
    """The hint names the option."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made") as refused:
        new_run_folder(prepared(out=tmp_path / "file"))
    assert "--out" in refused.value.hint


def test_a_header_whose_day_is_no_date_is_damaged(tmp_path: Path) -> None:
    """It is told when the header is read: all times of the record are counted from that day."""
    write_run_file(tmp_path, prepared())
    path = tmp_path / "run.json"
    told = json.loads(path.read_bytes())
    told["experiment"]["timeline"]["date"] = "12.7.2024"
    path.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(BrownoutError, match=r"run\.json is damaged.*'12\.7\.2024' is not a date"):
        read_record(tmp_path)
