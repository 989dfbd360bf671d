"""What `brownout init` writes passes at once, and never costs a file that was there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from brownout.harness.cli import files
from brownout.harness.cli.files import KINDS
from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.scaffold import write as scaffolds
from brownout.harness.scaffold.write import SAMPLES, of_kind, of_sample, write
from support.brownout_command import invoke
from support.places import ROOT

SIMULATED = [kind for kind in KINDS if kind != "app"]  # an application runs in real time: tests/samples has it


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    environment = {**kept, "PATH": path, "BROWNOUT_HOME": str(folder / "home")}
    return subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_command_knows_every_kind() -> None:
    """The choices of `init` are the scaffolds and the samples that there are."""
    assert sorted(KINDS) == sorted(scaffolds.KINDS)
    assert files.SAMPLES == SAMPLES
    assert set(SAMPLES) == {path.name for path in (ROOT / "samples").iterdir() if path.is_dir()}


@pytest.mark.parametrize("kind", SIMULATED)
def test_what_is_written_passes_at_once(tmp_path: Path, kind: str) -> None:
    """In an empty folder, the command that `init` names ends with 0, and every experiment that it wrote passes."""
    scaffold = of_kind(kind)
    written = write(scaffold, tmp_path)
    for command in scaffold.then:
        done = shell(command, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    experiments = [path for path in written if path.name.endswith(".brownout.yaml")]
    assert experiments
    for path in experiments:
        ran = shell(f"brownout run {path.name} --world simulation", tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_command_prints_what_it_wrote(tmp_path: Path) -> None:
    """Names of files on stdout, what to do next on stderr."""
    told = invoke("init", "pytest", "--to", str(tmp_path / "new"))
    assert told.exit_code == 0
    assert {Path(line) for line in told.stdout.splitlines()} == set((tmp_path / "new").iterdir())
    assert "Now: pytest test_resilience.py" in told.stderr


def test_kinds_share_an_experiment(tmp_path: Path) -> None:
    """The second kind adds its own file only."""
    write(of_kind("experiment"), tmp_path)
    assert [path.name for path in write(of_kind("pytest"), tmp_path)] == ["test_resilience.py"]


def test_a_file_that_is_there_is_never_changed(tmp_path: Path) -> None:
    """One file in the way, and nothing is written at all."""
    (tmp_path / "test_resilience.py").write_text("mine")
    with pytest.raises(UsageError, match=r"test_resilience\.py is there already"):
        write(of_kind("pytest"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_resilience.py"]
    assert (tmp_path / "test_resilience.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in the folder's place is one clear error."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written|is there already"):
        write(of_kind("ci"), tmp_path / "taken")


def test_an_application_that_is_there_gets_an_experiment(tmp_path: Path) -> None:
    """Its command and path are in the file, and nothing else is written but the schema."""
    command = 'python -m my.app --name "a: b" --port {port}'
    told = invoke("init", "app", "--command", command, "--ready", "/up?deep=1", "--to", str(tmp_path))
    assert told.exit_code == 0, told.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"app.brownout.yaml", "brownout.schema.json"}
    written = yaml.safe_load((tmp_path / "app.brownout.yaml").read_text(encoding="utf-8"))
    assert written["subject"]["command"] == command
    assert written["subject"]["ready"] == "http://127.0.0.1:{port}/up?deep=1"
    assert written["load"]["cohorts"][0]["http"]["path"] == "/up?deep=1"
    load(tmp_path / "app.brownout.yaml")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_copied_whole(tmp_path: Path, name: str) -> None:
    """Every file of its folder, byte for byte, with experiments that are sound."""
    write(of_sample(name), tmp_path)
    there = {path.name: path.read_bytes() for path in (ROOT / "samples" / name).iterdir() if path.is_file()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "brownout.schema.json"} == there
    assert [load(tmp_path / f"{which}.brownout.yaml").name for which in ("as-is", "fixed")] == [
        f"{name}-as-is",
        f"{name}-fixed",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ci", "--sample", "node"), "options of `brownout init app`"),
        (("pytest", "--command", "x"), "options of `brownout init app`"),
        (("app", "--ready", "/up"), "--ready needs --command"),
        (("app", "--command", "x", "--sample", "node"), "leave one of them out"),
        (("app", "--command", " "), "names no command"),
        (("app", "--command", 'x "'), "No closing quotation"),
        (("app", "--command", "x", "--ready", "up"), "begins with /"),
        (("app", "--command", "x", "--ready", "/a b"), "begins with /"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Bad usage ends with 2 and a line that says what to do; nothing is written."""
    told = invoke("init", *arguments, "--to", str(tmp_path))
    assert told.exit_code == 2
    assert said in told.stderr
    assert list(tmp_path.iterdir()) == []
