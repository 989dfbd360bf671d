"""The application on its page is put under test as the page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.api import Options, prepare, run
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
KEPT = "import functools\n", "@functools.cache\ndef token()"  # what keeps the token in a variable


def written(folder: Path) -> Path:
    """The files of the page, in a folder."""
    (program,) = blocks(PAGE, "python")
    (experiment, services) = blocks(PAGE, "yaml")
    (image,) = blocks(PAGE, "dockerfile")
    (folder / "app.py").write_text(program.text, encoding="utf-8")
    (folder / "orders.yaml").write_text(experiment.text, encoding="utf-8")
    (folder / "compose.yaml").write_text(services.text, encoding="utf-8")
    (folder / "Dockerfile").write_text(image.text, encoding="utf-8")
    return folder / "orders.yaml"


@pytest.mark.parametrize("world", ["processes", "compose"])
def test_the_printed_experiment_is_sound(tmp_path: Path, world: str) -> None:
    """It could be run in both worlds that have a subject, without a change."""
    assert prepare(load(written(tmp_path)), Options(world=world)).experiment.subject is not None


@pytest.mark.slow
@pytest.mark.alone
def test_the_printed_application_breaches_as_the_page_says(tmp_path: Path) -> None:
    """Its own calls met the fault, and its record is beside the verdict."""
    outcome = run(load(written(tmp_path)), Options(world="processes", out=tmp_path / "runs"))
    result = outcome.result
    assert result.verdict == "breach", (result.reasons, [gate for gate in result.gates if not gate.passed])
    assert [(slo.name, slo.exposure) for slo in result.slos] == [("customers are served", "met")]
    assert result.subject is not None
    assert result.subject.judges(result.slos[0])
    assert "no token" in (outcome.folder / "subject.log").read_text(encoding="utf-8")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Brownout]:
    """`brownout` in a folder with the page's files, made quick; whatever the test left is gone afterwards."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    experiment = written(tmp_path / "work")
    text = experiment.read_text(encoding="utf-8")
    for long, short in SHORT.items():
        assert long in text
        text = text.replace(long, short)
    patient = "gates: {lag_p99: 400ms}\n"  # of a machine that builds and starts containers meanwhile
    experiment.write_text(text + patient, encoding="utf-8")
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


def with_token_kept(program: Path) -> None:
    """The change that the page names: the token is asked for once."""
    text = program.read_text(encoding="utf-8").replace("import os\n", KEPT[0] + "import os\n", 1)
    program.write_text(text.replace("def token()", KEPT[1]), encoding="utf-8")


def ours() -> list[str]:
    """What the engine has of this test, stacks and subjects."""
    return labelled(f"brownout.owner={owner()}")


def subject_containers() -> list[str]:
    """Those of the application and its database that run."""
    return docker("ps", "--filter", "label=brownout.subject", "--filter", f"label=brownout.owner={owner()}", "-q").split()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.alone
def test_the_printed_service_fails_in_containers_passes_changed_and_leaves_nothing(command: Brownout) -> None:
    """As it is, changed by two lines, and killed on its way: a service of the user's own Compose file, with its database."""
    breached = pasted(command)
    assert breached.verdict == "breach", (breached.reasons, [gate for gate in breached.gates if not gate.passed])
    assert [(slo.name, slo.exposure) for slo in breached.slos] == [("customers are served", "met")]
    assert breached.subject is not None
    assert (breached.subject.command, breached.subject.machine) == ("service orders of compose.yaml", "web-1")
    (record,) = (command.work / "runs").iterdir()
    assert "no token" in (record / "subject.log").read_text(encoding="utf-8")
    assert ours() == []

    with_token_kept(command.work / "app.py")
    passed = pasted(command)
    assert passed.verdict == "pass", (passed.reasons, [gate for gate in passed.gates if not gate.passed])
    assert passed.slos[0].exposure == "spared"
    assert all(gate.passed for gate in passed.gates), [gate for gate in passed.gates if not gate.passed]

    started = command.start("run", "orders.yaml", "--world", "compose", "--out", "killed")
    eventually(lambda: len(subject_containers()) == 2, 120, what="the application and its database")
    started.interrupt(signal.SIGKILL)
    started.end()
    eventually(lambda: not ours(), 60, what="the guardian has removed stack and subject")
