"""The built wheel in an environment without the checkout, and beside it a project whose packages have the names of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from support.places import ROOT

FOLDERS = ("compose", "faults", "harness", "identity", "reports", "suites")
TIMEOUT_S = 180.0
_NOT_BUILT_FROM = shutil.ignore_patterns("__pycache__", "dist", "node_modules")
_RECORDER = """
import pathlib
with pathlib.Path({log!r}).open("a") as log:
    log.write(__name__ + "\\n")
raise ImportError("a package of the project was imported in place of Brownout's: " + __name__)
"""


def clone(folder: Path) -> Path:
    """The files of the checkout that a distribution is built from, with its links, at `folder`."""
    folder.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("src", *FOLDERS, "samples"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=_NOT_BUILT_FROM)
    return folder


def build(source: Path, target: Path, kind: str) -> Path:
    """The `sdist` or `wheel` of a source tree, built by the environment's own backend; nothing is downloaded."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def unpack(sdist: Path, target: Path) -> Path:
    """The source tree of an sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data")
    (tree,) = target.iterdir()
    return tree


@dataclass(frozen=True, slots=True)
class Project:
    """A user's project: its folder, the Python of the environment that has the wheel, and what was imported by mistake."""

    folder: Path
    python: Path
    environment: Mapping[str, str]

    @property
    def mistaken(self) -> list[str]:
        """The project's own packages that anything has tried to import."""
        log = self.folder / "imported"
        return log.read_text(encoding="utf-8").split() if log.exists() else []

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a command in the project's folder, whatever it comes to."""
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def brownout(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed command; with the project's folder on Python's path, as many projects have it."""
        return self.run(self.python.with_name("brownout"), *arguments)


def make_project(folder: Path, wheel: Path, *, extras: Collection[str] | None = None) -> Project:
    """A project in `folder` and an environment beside it, into which the wheel is installed with these extras, or all."""
    project = folder / "their project"
    for name in FOLDERS:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text(_RECORDER.format(log=str(project / "imported")), encoding="utf-8")
    python = _environment(folder / "environment", wheel, None if extras is None else packages_of(extras))
    programs = folder / "programs"
    programs.mkdir()
    (programs / "toxiproxy-server").symlink_to(toxiproxy_server(say=lambda _: None))  # none is built for the new state folder
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BROWNOUT_", "PYTEST_", "COV", "PYTHON"))}
    path = os.pathsep.join(map(str, (python.parent, programs, "/usr/local/bin", "/usr/bin", "/bin")))
    return Project(project, python, {**kept, "PATH": path, "BROWNOUT_HOME": str(folder / "home"), "PYTHONPATH": str(project)})


def packages_of(extras: Collection[str]) -> frozenset[str]:
    """What the packages that Brownout needs with these extras have in site-packages: names of files and folders."""
    wanted, seen, names = [("brownout", frozenset(extras))], set[str](), set[str]()
    while wanted:
        name, chosen = wanted.pop()
        if name not in seen:
            seen.add(name)
            for line in distribution(name).requires or ():
                requirement = Requirement(line)
                marker = requirement.marker
                if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *chosen)):
                    wanted.append((requirement.name, frozenset(requirement.extras)))
            if name != "brownout":
                names |= {file.parts[0] for file in distribution(name).files or ()}
    return frozenset(names)


def _environment(folder: Path, wheel: Path, only: frozenset[str] | None) -> Path:
    """The Python of a new environment with the wheel in it, and packages of the running environment: all, or `only` those.

    The packages are links, so that nothing is downloaded. The record of the editable install and the file that puts the
    checkout on Python's path are left out.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    site = next(folder.glob("lib/python*/site-packages"))
    for installed in Path(sysconfig.get_path("purelib")).iterdir():
        ours = "brownout" in installed.name or installed.suffix == ".pth" or installed.name == "__pycache__"
        if not ours and (only is None or installed.name in only):
            (site / installed.name).symlink_to(installed)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv is not None, "`make setup` puts uv into .venv"
    command = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return python
