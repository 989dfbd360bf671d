"""What `brownout init` writes passes at once, and never costs a file that was there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from brownout.harness.cli.files import KINDS
from brownout.harness.errors import UsageError
from brownout.harness.scaffold.write import SCAFFOLDS, write
from support.brownout_command import invoke


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    environment = {**kept, "PATH": path, "BROWNOUT_HOME": str(folder / "home")}
    return subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_command_knows_every_kind() -> None:
    """The choices of `init` are the scaffolds that there are."""
    assert sorted(KINDS) == sorted(SCAFFOLDS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_at_once(tmp_path: Path, kind: str) -> None:
    """In an empty folder, the command that `init` names ends with 0, and every experiment that it wrote passes."""
    files = write(kind, tmp_path)
    done = shell(SCAFFOLDS[kind].then, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    experiments = [path for path in files if path.name.endswith(".brownout.yaml")]
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
    write("experiment", tmp_path)
    assert [path.name for path in write("pytest", tmp_path)] == ["test_resilience.py"]


def test_a_file_that_is_there_is_never_changed(tmp_path: Path) -> None:
    """One file in the way, and nothing is written at all."""
    (tmp_path / "test_resilience.py").write_text("mine")
    with pytest.raises(UsageError, match=r"test_resilience\.py is there already"):
        write("pytest", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_resilience.py"]
    assert (tmp_path / "test_resilience.py").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in the folder's place is one clear error."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written|is there already"):
        write("ci", tmp_path / "taken")
