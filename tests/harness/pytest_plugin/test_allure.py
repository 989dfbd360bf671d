"""What Allure gets to see of the runs behind a test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from brownout.harness.pytest_plugin.allure import Chapter, chapters
from brownout.harness.record.history import Event
from support.plugin_project import Project, allure_results, counted, step_names

pytestmark = pytest.mark.slow

TESTS = """
import allure, pytest

def test_breached(brownout):
    brownout.run("breached.yaml", seed=3).expect("breach")

@allure.epic("Theirs")
def test_unexpected(brownout):
    brownout.run("breached.yaml", seed=4).expect("pass")

def test_undecided(brownout):
    brownout.run("few.yaml").expect("pass")

def test_without_runs():
    pass
"""


def test_runs_are_told_to_allure(project: Project) -> None:
    """Steps, objectives, picture and result are attached to every test that rests on a run, whatever its outcome."""
    project.write(TESTS)
    folder = project.folder / "results"
    folder.mkdir()
    (folder / "environment.properties").write_text("theirs=1\nbrownout.seed=99\n")
    ended = project.run("--alluredir", folder)
    assert counted(ended) == {"passed": 2, "failed": 1, "inconclusive": 1}
    results = allure_results(folder)
    assert {name: result["status"] for name, result in results.items()} == {
        "test_breached": "passed",
        "test_unexpected": "failed",
        "test_undecided": "skipped",
        "test_without_runs": "passed",
    }
    _check_steps(results["test_breached"])
    _check_attachments(results["test_breached"], folder)
    assert step_names(results["test_undecided"]["steps"], 0) == ["few in simulation, posture bare, seed 1: inconclusive"]
    assert "steps" not in results["test_without_runs"]
    _check_identity(results)
    _check_surroundings(folder, results)


def _check_steps(result: dict[str, Any]) -> None:
    assert step_names(result["steps"], 0) == ["breached in simulation, posture bare, seed 3: breach"]
    phases = step_names(result["steps"], 1)
    assert [name.partition(" ")[2] for name in phases] == [
        f"phase {name}" for name in ("baseline", "onset", "fault", "heal", "recovery")
    ]
    times = [name.split()[0] for name in step_names(result["steps"], 2) if name.endswith(" cut (fault)")]
    assert times[0] == "00:05:00"
    assert times[-1] == "00:15:00"
    acts = [name.split()[1].rstrip(":") for name in step_names(result["steps"], 3)]
    assert [act for act in acts if act != "seen"] == [
        "planned", "intended", "applied", "bitten", "reverting", "released", "healed",
    ]  # fmt: skip
    assert "seen" in acts[4:-3]  # in force, looked at between bite and revert


def _check_attachments(result: dict[str, Any], folder: Path) -> None:
    attached = {entry["name"]: entry for entry in result["steps"][0]["attachments"]}
    assert {name: entry["type"] for name, entry in attached.items()} == {
        "objectives": "text/html",
        "availability": "image/svg+xml",
        "result.json": "application/json",
    }
    texts = {name: (folder / entry["source"]).read_text() for name, entry in attached.items()}
    assert json.loads(texts["result.json"])["verdict"] == "breach"
    assert ET.fromstring(texts["availability"]).tag.endswith("svg")
    assert "<td>tokens</td><td>90 %</td>" in texts["objectives"]
    assert "<script" not in texts["objectives"]


def _check_identity(results: dict[str, Any]) -> None:
    """Posture and world make a test's history, the seed does not; labels of the test's own are left alone."""
    parameters = {entry["name"]: entry for entry in results["test_breached"]["parameters"]}
    assert {name: (entry["value"], entry.get("excluded", False)) for name, entry in parameters.items()} == {
        "brownout posture": ("'bare'", False),
        "brownout world": ("'simulation'", False),
        "brownout seed": ("'3'", True),
    }
    labels = [(entry["name"], entry["value"]) for entry in results["test_breached"]["labels"]]
    assert {("epic", "Brownout"), ("feature", "Clients are cut off"), ("story", "bare")} <= set(labels)
    theirs = [entry["value"] for entry in results["test_unexpected"]["labels"] if entry["name"] == "epic"]
    assert theirs == ["Theirs"]


def _check_surroundings(folder: Path, results: dict[str, Any]) -> None:
    environment = dict(line.split("=", 1) for line in (folder / "environment.properties").read_text().splitlines())
    assert environment["theirs"] == "1"
    assert environment["brownout.seed"] == "1"
    assert environment["brownout.version"] == "0.1.0"
    categories = {entry["name"]: entry for entry in json.loads((folder / "categories.json").read_text())}
    assert _matches(categories["Inconclusive"], results["test_undecided"])
    assert _matches(categories["Unexpected verdict"], results["test_unexpected"])
    assert not _matches(categories["Inconclusive"], results["test_unexpected"])


def _matches(category: dict[str, Any], result: dict[str, Any]) -> bool:
    """As Allure decides it: by status, and by a pattern for the whole message."""
    message = result["statusDetails"]["message"]
    return result["status"] in category["matchedStatuses"] and re.fullmatch(category["messageRegex"], message) is not None


def test_the_plugin_stands_alone(project: Project) -> None:
    """Where allure-pytest is not there, tests run as ever; run folders and their reports go where they are wanted."""
    project.write(
        """
        import sys
        def test_runs(brownout):
            brownout.run("fine.yaml").expect("pass")
            assert "brownout.harness.pytest_plugin.allure" not in sys.modules
        """
    )
    assert counted(project.run("--brownout-out", "kept")) == {"passed": 1}
    assert (project.folder / "kept" / "fine-simulation-bare-1" / "report.html").exists()


def act(at_s: float, what: str, subject: str, **detail: object) -> Event:
    return Event(at_s, "act", what, subject, {"role": "fault", **detail})


def test_a_step_that_went_wrong_is_marked() -> None:
    """Acts are grouped by phase and by step, in the record's order; one that is stuck makes its step wrong."""
    told = chapters(
        (
            act(0, "applied", "early"),
            Event(60, "phase", "baseline"),
            Event(120, "phase", "onset"),
            act(120, "applied", "a"),
            act(121, "applied", "b", evidence="done"),
            act(122, "stuck", "b", evidence="no answer"),
            act(123, "healed", "a"),
            Event(130, "probe", "ok"),
        )
    )
    assert told == (
        Chapter("before the baseline", (Chapter("00:00:00 early (fault)", (Chapter("00:00:00 applied"),)),)),
        Chapter("00:01:00 phase baseline"),
        Chapter(
            "00:02:00 phase onset",
            (
                Chapter("00:02:00 a (fault)", (Chapter("00:02:00 applied"),)),
                Chapter(
                    "00:02:01 b (fault)",
                    (Chapter("00:02:01 applied: done"), Chapter("00:02:02 stuck: no answer", problem="no answer")),
                    "b: no answer",
                ),
                Chapter("00:02:03 a (fault)", (Chapter("00:02:03 healed"),)),
            ),
        ),
    )
