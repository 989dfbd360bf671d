"""What pytest says of tests that rest on runs: passed, failed with a text that explains, or inconclusive and named so."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from brownout.harness.pytest_plugin.outcome import NOTHING_PROVEN
from support.places import ROOT
from support.plugin_project import Project, allure_results, counted, junit_properties

pytestmark = pytest.mark.slow

TESTS = """
import pytest

@pytest.fixture(scope="module")
def undecided(brownout):
    return brownout.run("few.yaml")

@pytest.fixture
def decided(undecided):
    return undecided.expect("pass")

def test_breach_as_expected(brownout):
    assert brownout.run("breached.yaml").expect("breach").slo("tokens").status == "breached"

def test_wrong_expectation(brownout):
    brownout.run("breached.yaml").expect("pass")

def test_asks_an_undecided_run(undecided):
    undecided.slo("tokens")

def test_looks_at_an_undecided_run_only(undecided):
    assert undecided.result.slos[0].name == "tokens"

def test_setup_needs_a_decided_run(decided):
    raise AssertionError("never reached")

def test_expects_an_undecided_run(undecided):
    undecided.expect("breach", "inconclusive")

def test_fails_on_an_undecided_run(undecided):
    assert undecided.folder.name == "another"

def test_without_runs():
    pass

def test_skips():
    pytest.skip("not now")
"""
COUNTS = {"passed": 3, "failed": 1, "skipped": 1, "inconclusive": 4}


def test_inconclusive_is_an_outcome_of_its_own(project: Project) -> None:
    """Tests on a run that proves nothing count as inconclusive, are listed with the reason, and never as passed."""
    project.write(TESTS)
    ended = project.run("-rA", "--junit-xml=junit.xml")
    assert counted(ended) == COUNTS
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    text = ended.stdout.str()
    assert "brownout: 0.1.0, world simulation, seed 1, inconclusive counts as skip" in text
    few = "few in simulation, posture bare, seed 1: *"
    ended.stdout.fnmatch_lines(
        [
            f"INCONCLUSIVE test_theirs.py::test_asks_an_undecided_run - {few}",
            "INCONCLUSIVE test_theirs.py::test_looks_at_an_undecided_run_only - as above",
            "INCONCLUSIVE test_theirs.py::test_setup_needs_a_decided_run - as above",
            f"INCONCLUSIVE test_theirs.py::test_fails_on_an_undecided_run - {few}; on it the test failed with AssertionError(*",
        ]
    )
    ended.stdout.fnmatch_lines(
        [
            "E*AssertionError: expected pass, got breach: breached in simulation, posture bare, seed 1",
            "E*- tokens: * good, at most * %; target 90 %, confidence 95 %",
            "E*record: */breached-simulation-bare-1",
            "E*repeat: brownout run */breached.yaml --world simulation --posture bare --seed 1",
        ]
    )
    assert "harness/pytest_plugin/runs.py" not in text  # the failure is shown in the test, not in the plugin
    _check_junit(project)


def _check_junit(project: Project) -> None:
    properties = junit_properties(project.folder / "junit.xml")
    told = ("brownout_run", "few in simulation, posture bare, seed 1: inconclusive")
    for test in ("test_asks_an_undecided_run", "test_setup_needs_a_decided_run", "test_fails_on_an_undecided_run"):
        assert properties[test] == [("verdict", "inconclusive"), told], test
    assert ("verdict", "breach") in properties["test_wrong_expectation"]
    assert properties["test_without_runs"] == []
    assert properties["test_skips"] == []


RACING = """
import os, pathlib

def note(kind):
    with open(pathlib.Path(__file__).with_name(kind), "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")

@pytest.mark.brownout_processes
@pytest.mark.parametrize("n", range(3))
def test_marked(n):
    note("racing")

@pytest.mark.slow
@pytest.mark.parametrize("n", range(3))
def test_slow(brownout, n):
    note("racing")

@pytest.mark.slow
@pytest.mark.xdist_group("theirs")
@pytest.mark.parametrize("n", range(3))
def test_slow_of_another_group(brownout, n):
    note("grouped")
"""


def test_outcomes_survive_xdist(project: Project) -> None:
    """Two workers give the same counts, make each run once between them, and leave what races the clock to one of them."""
    project.write(TESTS + RACING, "markers = slow: takes long")
    folder = project.folder / "results"
    ended = project.run("-n", "2", "--dist", "loadgroup", "--junit-xml=junit.xml", "--alluredir", folder)
    assert counted(ended) == {**COUNTS, "passed": COUNTS["passed"] + 9}
    statuses = Counter(result["status"] for result in allure_results(folder).values())
    assert statuses == {"passed": 12, "failed": 1, "skipped": 5}
    assert (folder / "environment.properties").exists()
    ended.stdout.fnmatch_lines(["INCONCLUSIVE test_theirs.py::* - few in simulation, posture bare, seed 1: *"])
    made = sorted(path.name for path in project.folder.glob("runpytest-0/brownout-*/runs/*"))
    assert made == ["breached-simulation-bare-1", "few-simulation-bare-1"]
    _check_junit(project)
    for kind, tests in (("racing", 6), ("grouped", 3)):
        workers = (project.folder / kind).read_text().split()
        assert len(workers) == tests
        assert len(set(workers)) == 1, kind


UNDECIDED = """
def test_undecided(brownout):
    brownout.run("few.yaml").expect("pass")
"""


@pytest.mark.parametrize(
    ("policy", "counts", "junit"), [("fail", {"failed": 1}, "<failure"), ("ok", {"inconclusive": 1}, "<testcase")]
)
def test_the_policy_decides_what_inconclusive_counts_as(
    project: Project, policy: str, counts: dict[str, int], junit: str
) -> None:
    """Under `fail` the session fails, under `ok` other tools see a pass; the outcome keeps its name and its reason."""
    project.write(UNDECIDED)
    ended = project.run("-v", "--junit-xml=junit.xml", f"--brownout-inconclusive={policy}")
    assert counted(ended) == counts
    assert ended.ret == (1 if policy == "fail" else 0)
    ended.stdout.fnmatch_lines(["*::test_undecided INCONCLUSIVE*", "*few in simulation, posture bare, seed 1: *"])
    text = (project.folder / "junit.xml").read_text()
    assert junit in text
    assert "<skipped" not in text
    assert ("verdict", "inconclusive") in junit_properties(project.folder / "junit.xml")["test_undecided"]


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_session_that_proved_nothing_is_not_green(project: Project, options: tuple[str, ...]) -> None:
    """A session with an inconclusive test exits with a status of its own by default, on workers too."""
    project.write(UNDECIDED + "\n\ndef test_passes():\n    pass\n")
    ended = project.run(*options)
    assert (ended.ret, counted(ended)) == (NOTHING_PROVEN, {"inconclusive": 1, "passed": 1})
    ended.stdout.fnmatch_lines(["So the session exits with 6. --brownout-inconclusive=ok accepts such tests."])


LOADED = """
import sys
import pytest
before = set(sys.modules)
import brownout.harness.pytest_plugin.plugin
print(*set(sys.modules) - before)
"""


def test_the_plugin_weighs_nothing() -> None:
    """Importing it, as every pytest of the environment does, brings in none of what runs experiments."""
    ended = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(ended.stdout.split())
    assert "brownout.harness.pytest_plugin.runs" in loaded
    assert not loaded & {"asyncio", "httpx", "cryptography", "allure", "pydantic", "yaml", "orjson", "sqlite3", "click"}
