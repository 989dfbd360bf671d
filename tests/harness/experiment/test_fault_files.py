"""A fault that is named by its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.fault_files import fault_in
from brownout.harness.experiment.loader import load, read, validate
from brownout.harness.experiment.plugins import fault, fault_class
from support.places import DOCS
from support.printed_client import printed_blocks

EXPERIMENT = """
schema: brownout/experiment/v1
name: own
title: own
timeline: {date: '2025-01-15', warm_up: 09:00, baseline: 09:01, fault: 09:06, recovery: 09:11, end: 09:16}
posture: plain
postures: {plain: {description: as it comes, expect: pass}}
schedule:
- {name: cut, at: 09:06, until: 09:11, role: fault, fault: FILE, with: {region: melbourne}}
load:
  cohorts:
  - {name: new, model: token, region: sydney, rate_per_s: 1, machines: [scaleout], fresh: true}
slos:
- {name: tokens, indicator: {ratioMetric: {total: {cohorts: [new]}}}, objectives: [{target: 0.99}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the fault of docs/writing-a-fault.md in a file of its own, and an experiment beside it."""
    (tmp_path / "region_cut.py").write_text(printed_blocks(DOCS / "writing-a-fault.md")[0])
    (tmp_path / "own.yaml").write_text(EXPERIMENT.replace("FILE", "./region_cut.py"))
    return tmp_path


def test_a_file_is_a_name_of_its_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same class each time, with its parameters checked as those of an installed one."""
    monkeypatch.chdir(folder)
    assert fault_class("./region_cut.py") is fault_in(folder / "region_cut.py")
    assert fault("region_cut.py", {"region": "melbourne"}).describe() == "melbourne is cut off from the other regions"
    with pytest.raises(UsageError, match="region"):
        fault("region_cut.py", {"regoin": "melbourne"})


def test_an_experiment_names_the_file_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the current directory is; what is run knows the file by its absolute path."""
    monkeypatch.chdir("/")
    found = read(folder / "own.yaml")
    assert [type(step.fault).__name__ for step in found.steps] == ["RegionCut"]
    assert load(folder / "own.yaml").schedule[0].fault == str(folder / "region_cut.py")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("../x.py", "", "not below the folder"),
        ("/etc/x.py", "", "not below the folder"),
        ("./none.py", None, "there is no file"),
        ("./bad.py", "import nothing_here", r"bad\.py:1: ModuleNotFoundError"),
        ("./bad.py", "x = (", r"bad\.py:1: SyntaxError"),
        ("./bad.py", "x = 1", "defines none"),
        ("./bad.py", "from brownout.faults.link_refuse import LinkRefuse", "defines none"),
    ],
)
def test_a_file_that_is_no_fault_is_said_with_its_place(folder: Path, name: str, text: str | None, told: str) -> None:
    """A wrong file is one error of the experiment, with the line in both."""
    if text is not None and name.startswith("./"):
        (folder / name).write_text(text)
    (folder / "own.yaml").write_text(EXPERIMENT.replace("FILE", name))
    (problem,) = validate(folder / "own.yaml")
    with pytest.raises(UsageError, match=told):
        raise problem
    assert "own.yaml:" in str(problem)
