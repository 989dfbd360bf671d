"""The plugin works with the oldest pytest that the extra admits and the newest that was tried, with nothing beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.installed_wheel import Project, build, clone, make_project
from support.places import ROOT
from support.plugin_project import EXPERIMENT

pytestmark = pytest.mark.slow

NEWEST = "9.2.0"
THEIRS = """
import pytest

def test_breach(brownout):
    run = brownout.run("breached.yaml").expect("breach")
    assert run.slo("tokens").bad > 0

def test_undecided(brownout):
    brownout.run("few.yaml").require_conclusive()

@pytest.mark.parametrize("seed", [1, 2])
def test_fine(brownout, seed):
    brownout.run("fine.yaml", seed=seed).expect("pass")
"""
INI = "[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config\n"
RATES = (("breached", 0.5, 0.9), ("fine", 0.5, 0.05), ("few", 0.02, 0.9))


def oldest() -> str:
    """The version from which on the extra `pytest` admits it."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (wanted,) = map(Requirement, extras["pytest"])
    (bound,) = wanted.specifier
    assert bound.operator == ">="
    return bound.version


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    return build(clone(folder / "clone"), folder / "wheel", "wheel")


def project_with(folder: Path, wheel: Path, version: str) -> Project:
    """A project whose environment has the core and that pytest, and neither xdist nor Allure."""
    user = make_project(folder, wheel, extras=())
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    command = [uv, "pip", "install", "--quiet", "--python", str(user.python), f"pytest=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    for name, rate_per_s, target in RATES:
        text = EXPERIMENT.format(name=name, rate_per_s=rate_per_s, target=target)
        (user.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (user.folder / "test_theirs.py").write_text(THEIRS, encoding="utf-8")
    (user.folder / "pytest.ini").write_text(INI, encoding="utf-8")
    return user


@pytest.mark.parametrize("version", [oldest(), NEWEST])
def test_experiments_run_as_tests(tmp_path: Path, wheel: Path, version: str) -> None:
    """A breach that is expected passes, what proves nothing is inconclusive and fails the session, and no warning is raised."""
    user = project_with(tmp_path, wheel, version)
    assert Version(user.run(user.python, "-m", "pytest", "--version").stdout.split()[1]) == Version(version)
    told = user.run(user.python, "-m", "pytest", "-q")
    assert told.returncode == 6, told.stdout + told.stderr
    assert "3 passed, 1 inconclusive" in told.stdout
    assert user.mistaken == []
