"""The application on its page is put under test as the page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.api import Options, prepare
from brownout.harness.experiment.loader import load
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.result import Result
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from brownout.harness.worlds.compose.stack import owner
from support.brownout_command import PROGRAM, Brownout
from support.docker_cli import docker, eventually, labelled
from support.docs_pages import DOCS, blocks

PAGE = DOCS / "your-application.md"
SHORT = {"10:00:20": "10:00:06", "10:00:40": "10:00:12", "10:00:55": "10:00:20", "10:01:10": "10:00:25", "edge: 2s": "edge: 1s"}


def written(folder: Path) -> Path:
    """The files of the page, in a folder."""
    (program, tests) = blocks(PAGE, "python")
    (experiment, services) = blocks(PAGE, "yaml")
    (image,) = blocks(PAGE, "dockerfile")
    (folder / "app.py").write_text(program.text, encoding="utf-8")
    (folder / tests.mark).write_text(tests.text, encoding="utf-8")
    (folder / "orders.yaml").write_text(experiment.text, encoding="utf-8")
    (folder / "compose.yaml").write_text(services.text, encoding="utf-8")
    (folder / "Dockerfile").write_text(image.text, encoding="utf-8")
    return folder / "orders.yaml"


@pytest.mark.parametrize("world", ["processes", "compose"])
def test_the_printed_experiment_is_sound(tmp_path: Path, world: str) -> None:
    """It could be run in both worlds that have a subject, without a change."""
    assert prepare(load(written(tmp_path)), Options(world=world)).experiment.subject is not None


def quick(experiment: Path) -> None:
    """Makes the page's experiment shorter, and patient with a machine that starts much else meanwhile."""
    text = experiment.read_text(encoding="utf-8")
    for long, short in SHORT.items():
        assert long in text
        text = text.replace(long, short)
    experiment.write_text(text + "gates: {lag_p99: 400ms}\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.alone
def test_the_printed_tests_are_those_of_a_suite(tmp_path: Path) -> None:
    """In a folder of the user's own: the application breaches, its own calls having met the fault, and passes changed."""
    quick(written(tmp_path))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--brownout-out", "runs", "test_orders.py"]
    variables = {**os.environ, "BROWNOUT_HOME": str(tmp_path / "home")}
    # Runs on processes take turns on a machine: those of other tests may come first.
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    found = [read_result(folder) for folder in sorted((tmp_path / "runs").glob("orders-*"))]
    results = [result for result in found if result is not None]
    assert [(result.verdict, result.slos[0].exposure) for result in results] == [("breach", "met"), ("pass", "spared")]
    assert all(result.subject is not None and result.subject.judges(result.slos[0]) for result in results)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Brownout]:
    """`brownout` in a folder with the page's files, made quick; whatever the test left is gone afterwards."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    experiment = written(tmp_path / "work")
    quick(experiment)
    recipe = tmp_path / "work" / "Dockerfile"  # no image registry is asked
    recipe.write_text(re.sub(r"^FROM .*$", f"FROM {IDENTITY_IMAGE}", recipe.read_text(), flags=re.MULTILINE))
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    made = Brownout(tmp_path / "home", tmp_path / "work", {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"})
    yield made
    made.kill_everything()
    made.run("down", "--all")
    docker("rmi", "--force", "shop/orders")


def pasted(command: Brownout) -> Result:
    """The result of the run after the page's commands were pasted into a shell."""
    (block,) = (block.text for block in blocks(PAGE, "sh") if "--world compose" in block.text)
    before = set((command.work / "runs").glob("*"))
    words = ["bash", "-ec", block]
    done = subprocess.run(
        words, cwd=command.work, env=command.variables({}), capture_output=True, text=True, timeout=300, check=False
    )
    made = set((command.work / "runs").glob("*")) - before
    assert made, done.stdout + done.stderr
    result = read_result(made.pop())
    assert result is not None, done.stdout + done.stderr
    return result


def ours() -> list[str]:
    """What the engine has of this test, stacks and subjects."""
    return labelled(f"brownout.owner={owner()}")


def subject_containers() -> list[str]:
    """Those of the application and its database that run."""
    return docker("ps", "--filter", "label=brownout.subject", "--filter", f"label=brownout.owner={owner()}", "-q").split()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.alone
def test_the_printed_service_fails_in_containers_passes_changed_and_leaves_nothing(command: Brownout) -> None:
    """As it is, changed by a variable, and killed on its way: a service of the user's own Compose file, with its database."""
    breached = pasted(command)
    assert breached.verdict == "breach", (breached.reasons, [gate for gate in breached.gates if not gate.passed])
    assert [(slo.name, slo.exposure) for slo in breached.slos] == [("customers are served", "met")]
    assert breached.subject is not None
    assert (breached.subject.command, breached.subject.machine) == ("service orders of compose.yaml", "web-1")
    (record,) = (command.work / "runs").iterdir()
    assert "no token" in (record / "subject.log").read_text(encoding="utf-8")
    assert ours() == []

    kept = command.work / "compose.yaml"
    kept.write_text(kept.read_text(encoding="utf-8").replace("HOST: 0.0.0.0", "HOST: 0.0.0.0, KEEP_TOKEN: 1"), encoding="utf-8")
    passed = pasted(command)
    assert passed.verdict == "pass", (passed.reasons, [gate for gate in passed.gates if not gate.passed])
    assert passed.slos[0].exposure == "spared"
    assert all(gate.passed for gate in passed.gates), [gate for gate in passed.gates if not gate.passed]

    started = command.start("run", "orders.yaml", "--world", "compose", "--out", "killed")
    eventually(lambda: len(subject_containers()) == 2, 120, what="the application and its database")
    started.interrupt(signal.SIGKILL)
    started.end()
    eventually(lambda: not subject_containers(), 120, what="the guardian has removed the application")
    down = command.run("down")
    assert down.returncode == 0, down.stderr
    assert ours() == []
