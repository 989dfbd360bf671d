"""Set-up itself: what it does again and what it does not, and what it says when a step fails. No package is downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.places import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that set-up needs, at a path with spaces."""
    copy = tmp_path / "a fresh clone"
    for name in (
        "Makefile",
        "pyproject.toml",
        "src/brownout/__init__.py",
        "harness/worlds/toxiproxy/install.py",
        "requirements",
        "scripts",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def setup(checkout: Path) -> ModuleType:
    """The script of that checkout, loaded but not run."""
    spec = importlib.util.spec_from_file_location("brownout_setup", checkout / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_finished_set_up_costs_nothing(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stamp that fits, no command is run at all."""
    setup.VENV.mkdir()
    setup.done("setup", setup.ALL)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a command was run")

    monkeypatch.setattr(subprocess, "run", forbidden)
    assert setup.main() == 0


@pytest.mark.parametrize(
    "name",
    [
        "requirements/lock.txt",
        "pyproject.toml",
        "src/brownout/__init__.py",
        "harness/worlds/toxiproxy/install.py",
        "scripts/setup.py",
    ],
)
def test_a_changed_input_undoes_the_stamp(setup: ModuleType, checkout: Path, name: str) -> None:
    """A change of any file that decides the result makes set-up run again; only the lock makes packages install again."""
    setup.VENV.mkdir()
    setup.done("setup", setup.ALL)
    setup.done("packages", setup.PACKAGES)
    with (checkout / name).open("a") as changed:
        changed.write("\n# changed\n")
    assert not setup.is_done("setup", setup.ALL)
    assert setup.is_done("packages", setup.PACKAGES) is not name.startswith("requirements/")


def test_a_moved_checkout_is_set_up_again(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stamp made at another place does not count, because scripts in .venv name the place."""
    setup.VENV.mkdir()
    setup.done("setup", setup.ALL)
    moved = tmp_path / "moved"
    setup.ROOT.rename(moved)
    monkeypatch.setattr(setup, "ROOT", moved)
    monkeypatch.setattr(setup, "VENV", moved / ".venv")
    assert not setup.is_done("setup", setup.ALL)


def test_a_failed_download_is_one_message(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A step that fails ends with its last words and a hint, without a traceback and without a stamp."""
    text = "if [ \"$1\" = --version ]; then exit 0; fi; echo retry >&2; echo '  cause: no network' >&2; exit 2"
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin' / 'uv', text).parent}:/usr/bin:/bin")
    assert setup.main() == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "setup failed: packages could not be installed: no network",
        f"  -> {setup.NETWORK_HINT}",
    ]
    assert not setup.stamp("packages").exists()
    assert not setup.stamp("setup").exists()


def test_what_is_done_is_kept_when_toxiproxy_fails(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After a failure at Toxiproxy the packages are not installed again."""
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin' / 'uv', 'exit 0').parent}:/usr/bin:/bin")
    monkeypatch.setattr(setup, "get_toxiproxy", lambda: False)
    assert setup.main() == 1
    assert setup.is_done("packages", setup.PACKAGES)
    assert not setup.is_done("setup", setup.ALL)
    monkeypatch.setattr(setup, "get_toxiproxy", lambda: True)
    monkeypatch.setattr(setup, "install_packages", lambda: pytest.fail("packages were installed again"))
    assert setup.main() == 0
    assert setup.is_done("setup", setup.ALL)


def test_a_broken_environment_is_made_anew(setup: ModuleType) -> None:
    """A .venv whose Python does not run is replaced by a working one."""
    program(setup.VENV_PYTHON, "exit 1")
    setup.make_venv()
    said = subprocess.run([setup.VENV_PYTHON, "-c", "print('works')"], capture_output=True, text=True, check=True)
    assert said.stdout == "works\n"


def run_make(checkout: Path, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": str(checkout)}
    return subprocess.run(
        ["/usr/bin/env", "make", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_machine_without_python_is_told(checkout: Path, tmp_path: Path) -> None:
    """Without Python 3.11 or newer `make setup` says so and how to name one."""
    for tool in ("make", "sh"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    program(tmp_path / "python3", "exit 1")
    ended = run_make(checkout, "setup", path=str(tmp_path))
    assert ended.returncode != 0
    assert "Brownout needs Python 3.11 or newer, and none was found on PATH." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_named_python_is_used(checkout: Path) -> None:
    """PYTHON names the interpreter, ahead of those on PATH."""
    script = checkout / "scripts" / "find-python.sh"
    environment = {**os.environ, "PYTHON": sys.executable}
    ended = subprocess.run([str(script)], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == sys.executable


def test_make_help_tells_every_command(checkout: Path) -> None:
    """`make help` (and `make` alone) lists each target with a line about it, in a checkout whose path has spaces."""
    ended = run_make(checkout, path=os.environ["PATH"])
    assert ended.returncode == 0, ended.stderr
    listed = [line.split()[1] for line in ended.stdout.splitlines()]
    assert listed == [
        "help",
        "setup",
        "gameday",
        "images",
        "images-offline",
        "test",
        "test-pythons",
        "test-slow",
        "test-docker",
        "mutants",
        "controls",
        "lint",
        "docs",
        "bench",
        "clean",
    ]


def test_gameday_runs_the_outage_and_then_the_repaired_service(checkout: Path) -> None:
    """The game day is set-up, the outage that must breach, and the repaired posture that must pass."""
    (checkout / "suites" / "experiments").mkdir(parents=True)
    ended = run_make(checkout, "-n", "gameday", path=os.environ["PATH"])
    runs = [line.removeprefix(".venv/bin/") for line in ended.stdout.splitlines() if "brownout run" in line]
    assert runs == [
        "brownout run suites/experiments/ftvr-l9z.yaml --world processes --expect breach",
        "brownout run suites/experiments/ftvr-l9z.yaml --world simulation --posture repaired --expect pass",
    ]


def test_every_linked_package_is_compiled(setup: ModuleType) -> None:
    """Set-up compiles each package behind a link; compileall alone passes over links below the folder that it is given."""
    package = setup.ROOT / "src" / "brownout"
    for name in ("alpha", "beta"):
        (setup.ROOT / name / "inner").mkdir(parents=True)
        (setup.ROOT / name / "inner" / "module.py").write_text("x = 1\n")
        (package / name).symlink_to(f"../../{name}")
    subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, setup.package_folders())], check=True, timeout=60)
    for name in ("alpha", "beta"):
        assert list((setup.ROOT / name / "inner" / "__pycache__").glob("module.*.pyc")), name
