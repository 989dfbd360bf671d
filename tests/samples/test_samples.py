"""The sample applications: each fails its experiment for the reason that it names, and its changed version passes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.result import Result
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import at_present, prepare
from brownout.harness.scaffold.write import SAMPLES, of_kind, of_sample, write
from support.places import ROOT

REQUIRE = "BROWNOUT_REQUIRE_NPM"
OF_THE_PAGE = "fastapi"  # its two runs are those of docs/samples.md (tests/docs/test_docs_samples.py)
TIMEOUT_S = 300.0
FAULT = {"fastapi": "throttled", "worker": "hanging", "node": "hanging"}
CHANGED = {
    "fastapi": ("app.py", "app_fixed.py"),
    "worker": ("worker.py", "worker_fixed.py"),
    "node": ("app.js", "app-fixed.js"),
}
CHANGED_LINES = {"fastapi": 6, "worker": 4, "node": 28}  # at most, of a diff


@dataclass(frozen=True, slots=True)
class Ran:
    """How `brownout run` ended."""

    code: int
    said: str
    result: Result


def environment(home: Path) -> dict[str, str]:
    """A user's shell: Brownout's and the samples' packages on PATH, no proxy, a state folder of its own."""
    foreign = ("PYTEST_", "GITHUB_", "AWS_", "AZURE_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "BROWNOUT_HOME": str(home)}


def ran(folder: Path, experiment: str) -> Ran:
    command = ["brownout", "run", f"{experiment}.brownout.yaml", "--json", "--out", "runs"]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder / "home"), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    said = done.stdout + done.stderr
    assert done.stdout.lstrip().startswith("{"), said
    return Ran(done.returncode, said, Result.model_validate(json.loads(done.stdout)))


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample's two versions in their experiment."""

    name: str
    as_is: Ran
    fixed: Ran


@pytest.fixture(scope="module", params=[name for name in SAMPLES if name != OF_THE_PAGE])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Each sample as `brownout init app --sample` copies it, with what it needs installed.

    Both versions run at one time, in stacks of their own: they wait for most of it.
    """
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    write(of_sample(name), folder)
    if name == "node":
        install_packages_of_npm(folder)
    with ThreadPoolExecutor(2) as both:
        as_is, fixed = both.map(partial(ran, folder), ("as-is", "fixed"))
    return Sample(name, as_is, fixed)


def install_packages_of_npm(folder: Path) -> None:
    """Installs what the lock says, from the cache where it is there; without it the test is skipped, or fails if required."""
    npm = shutil.which("npm")
    told = "there is no npm"
    if npm is not None:
        command = [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if done.returncode == 0:
            return
        told = f"npm has not all packages of the sample: {done.stderr[-200:]}"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{told}, and {REQUIRE}=1")
    pytest.skip(told)


@pytest.mark.slow
@pytest.mark.alone
def test_the_sample_fails_in_the_fault_and_because_of_it(sample: Sample) -> None:
    """Exit code 1: the baseline is good, the fault bites and heals, and the requests of the fault's time are the bad ones."""
    got = sample.as_is
    assert got.code == 1, got.said
    assert got.result.verdict == "breach"
    (step,) = got.result.steps
    assert (step.name, step.state) == (FAULT[sample.name], "healed")
    assert [gate.passed for gate in got.result.gates if gate.name == "steady-state"] == [True], got.said
    assert step.after is not None
    assert step.before is not None
    assert step.before < 0.1 < 0.5 < step.after, got.said


@pytest.mark.slow
@pytest.mark.alone
def test_the_changed_version_passes_in_the_same_fault(sample: Sample) -> None:
    """Exit code 0, with every gate: the fault bit, and nothing about the measurement was in doubt."""
    got = sample.fixed
    assert got.code == 0, got.said
    assert [gate for gate in got.result.gates if not gate.passed] == []
    assert [(step.name, step.state) for step in got.result.steps] == [(FAULT[sample.name], "healed")]


@pytest.mark.slow
@pytest.mark.alone
def test_the_application_that_init_writes_passes(tmp_path: Path) -> None:
    """`brownout init app` and its run, with nothing changed."""
    write(of_kind("app"), tmp_path)
    got = ran(tmp_path, "app")
    assert got.code == 0, got.said


@pytest.mark.parametrize("name", SAMPLES)
def test_the_two_versions_differ_in_little(name: str) -> None:
    """The difference is the lesson, so it is read at a glance."""
    before, after = (ROOT / "samples" / name / each for each in CHANGED[name])
    done = subprocess.run(["diff", str(before), str(after)], capture_output=True, text=True, check=False)
    changed = [line for line in done.stdout.splitlines() if line[:1] in "<>"]
    assert 0 < len(changed) <= CHANGED_LINES[name], done.stdout


def test_a_sample_never_costs_a_file(tmp_path: Path) -> None:
    """A file of another content in the place of one stops everything, and nothing is written."""
    (tmp_path / "worker.py").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"worker\.py is there already"):
        write(of_sample("worker"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["worker.py"]


@pytest.mark.parametrize("now_s", [1_790_000_000.25, 1_789_948_799.0])
@pytest.mark.parametrize("offset_s", [0.0, 17.0])
def test_a_run_about_an_application_is_moved_to_the_present(now_s: float, offset_s: float) -> None:
    """Its baseline begins when all is ready and the warm-up over, at midnight too; every distance on the timeline stays."""
    experiment = load(ROOT / "samples" / "worker" / "as-is.brownout.yaml")
    run = prepare(experiment, Options(world="processes", offset_s=offset_s))
    was = experiment.timeline
    warm_up_s = was.baseline - was.warm_up
    early = at_present(run, now_s, ready_s=now_s + warm_up_s / 2).experiment.timeline
    assert 0 <= early.epoch_s() + early.baseline - now_s - offset_s - warm_up_s < 1
    ahead = experiment.schedule[0].model_copy(update={"at": was.baseline - 10, "until": None, "name": "ahead"})
    stepped = replace(run, experiment=experiment.model_copy(update={"schedule": (ahead, *experiment.schedule)}))
    first = at_present(stepped, now_s, ready_s=now_s + 112.0).experiment
    assert 0 <= first.timeline.epoch_s() + first.schedule[0].at - now_s - offset_s - 112.0 < 1
    moved = at_present(at_present(run, now_s, ready_s=now_s + 900.0), now_s, ready_s=now_s + 112.0)
    line = moved.experiment.timeline
    assert 0 <= line.epoch_s() + line.baseline - now_s - offset_s - 112.0 < 1
    for border in ("warm_up", "baseline", "recovery", "end"):
        assert getattr(line, border) - line.fault == getattr(was, border) - was.fault
    (step,), (planned,) = moved.steps, moved.experiment.schedule
    assert step.step == planned
    assert (step.step.at, step.step.until) == (line.fault, line.recovery)
    assert moved.end_s == line.epoch_s() + line.end
    assert Experiment.model_validate(moved.experiment.model_dump(by_alias=True, mode="json")) == moved.experiment
