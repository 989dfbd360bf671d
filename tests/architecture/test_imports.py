"""The import contracts hold, and each of them is broken by the import that it is there to stop, and names it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import ROOT

PACKAGES = ("brownout.harness", "faults", "identity", "reports", "suites")


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Checks the contracts of one checkout, in a process of its own because modules are found by import."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's packages and contracts, to be broken one file at a time."""
    checkout = tmp_path_factory.mktemp("imports") / "checkout"
    checkout.mkdir()
    shutil.copy(ROOT / ".importlinter", checkout)
    shutil.copytree(ROOT / "src", checkout / "src", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for link in (ROOT / "src" / "brownout").iterdir():
        if link.is_symlink():
            shutil.copytree(ROOT / link.name, checkout / link.name, ignore=shutil.ignore_patterns("__pycache__"))
    return checkout


def test_the_project_keeps_all_contracts(copy: Path) -> None:
    """Nobody imports what the import rules of the project forbid."""
    ended = lint(copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout


PLANTED = (
    ("brownout.identity.core", "import socket", "The service's core gets"),
    ("brownout.identity.core", "import os", "The service's core gets"),
    ("brownout.identity.core", "import brownout.harness.base.ports", "The service's core gets"),
    ("brownout.identity.server", "import brownout.harness.errors", "The service does not know"),
    ("brownout.harness", "import brownout.faults", "The harness finds faults"),
    ("brownout.harness", "import brownout.suites.load", "The harness finds faults"),
    ("brownout.harness.worlds", "import brownout.reports.html", "The harness finds faults"),
    ("brownout.faults", "import brownout.harness.worlds.toxiproxy.holds", "Faults know the world protocol"),
    ("brownout.faults", "import brownout.identity.core.topology", "Faults know the world protocol"),
    ("brownout.reports", "import brownout.harness.world", "Reports read the record"),
    ("brownout.reports", "import brownout.harness.worlds.toxiproxy.client", "Reports read the record"),
    ("brownout.harness.worlds", "import toxiproxy", "Toxiproxy's client"),
    ("brownout.harness.load", "import locust", "Locust is known"),
    ("brownout.suites.incidents", "import locust", "Locust is known"),
    ("brownout.harness", "import allure", "Allure is known"),
    ("brownout.suites.incidents", "import hypothesis", "Hypothesis is known"),
    ("brownout.harness", "import bokeh", "Bokeh is known"),
)


@pytest.fixture(scope="module")
def broken(copy: Path) -> str:
    """What is told of a checkout with each of the forbidden imports in a new file of its own."""
    planted = [
        copy / package.removeprefix("brownout.").replace(".", "/") / f"planted_{n}.py"
        for n, (package, _, _) in enumerate(PLANTED)
    ]
    for path, (_, line, _) in zip(planted, PLANTED, strict=True):
        path.write_text(f"{line}\n")
    try:
        return lint(copy).stdout
    finally:
        for path in planted:
            path.unlink()


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[f"{package}: {line}" for package, line, _ in PLANTED])
def test_a_planted_import_breaks_its_contract(broken: str, number: int) -> None:
    """A forbidden import is told under the contract that is about it, with the file and the line."""
    package, line, contract = PLANTED[number]
    about = re.search(rf"^{re.escape(contract)}.*\n-+\n(?s:(.*?))(?=^\S.*\n---|\Z)", broken, re.MULTILINE)
    assert about is not None, broken
    told = " ".join(about.group(1).split())  # a long line is wrapped
    assert f"- {package}.planted_{number} -> {line.removeprefix('import ')} (l.1)" in told
