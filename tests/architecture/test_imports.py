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
    """No module imports what the import rules of the project forbid."""
    ended = lint(copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout


PLANTED = (
    ("brownout.identity.core", "import socket", "The service's core gets"),
    ("brownout.identity.core", "import os", "The service's core gets"),
    ("brownout.identity.core", "import brownout.identity.server.signing", "The service's core gets"),
    ("brownout.identity.core", "import brownout.identity.server.signing", "The core knows no vendor"),
    ("brownout.identity.server", "import brownout.harness.errors", "The service does not know"),
    ("brownout.harness.load", "import brownout.faults", "The harness finds faults"),
    ("brownout.harness.load", "import brownout.suites.load", "The harness finds faults"),
    ("brownout.harness.worlds", "import brownout.reports.html", "The harness finds faults"),
    ("brownout.harness.base", "import brownout.harness.record.result", "The harness stands in the order"),
    ("brownout.harness.record", "import brownout.harness.judge.gates", "The harness stands in the order"),
    ("brownout.harness.load", "import brownout.harness.world", "The harness stands in the order"),
    ("brownout.harness.worlds", "import brownout.harness.fault", "The harness stands in the order"),
    ("brownout.harness.injection", "import brownout.harness.experiment.model", "The harness stands in the order"),
    ("brownout.harness.judge", "import brownout.harness.run.conductor", "The harness stands in the order"),
    ("brownout.harness.run", "import brownout.harness.api", "The harness stands in the order"),
    ("brownout.harness.operate", "import brownout.harness.cli.frame", "The harness stands in the order"),
    ("brownout.harness.matrix", "import brownout.harness.operate.stacks", "The harness stands in the order"),
    ("brownout.harness.worlds.simulation", "import brownout.harness.worlds.processes.world", "Worlds do not know"),
    ("brownout.harness.worlds.processes", "import brownout.harness.worlds.compose.world", "Worlds do not know"),
    ("brownout.faults", "import brownout.harness.worlds.toxiproxy", "Faults know the public files"),
    ("brownout.faults", "import brownout.harness.injection.ledger", "Faults know the public files"),
    ("brownout.faults", "import brownout.identity.server.signing", "Faults know the public files"),
    ("brownout.reports", "import brownout.harness.world", "Reports read the record"),
    ("brownout.reports", "import brownout.harness.worlds.toxiproxy", "Reports read the record"),
    ("brownout.reports", "import brownout.harness.judge.gates", "Reports read the record"),
    ("brownout.harness.worlds", "import toxiproxy", "Toxiproxy's client"),
    ("brownout.harness.load", "import locust", "Locust is known"),
    ("brownout.suites.incidents", "import locust", "Locust is known"),
    ("brownout.harness.run", "import allure", "Allure is known"),
    ("brownout.suites.incidents", "import hypothesis", "Hypothesis is known"),
    ("brownout.harness.run", "import bokeh", "Bokeh is known"),
    ("brownout.harness.run", "import brownout.harness.telemetry.server", "The harness stands in the order"),
    ("brownout.suites.load", "import prometheus_client", "The library of Prometheus"),
    ("brownout.harness.operate", "import opentelemetry", "OpenTelemetry is known"),
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
    """A forbidden import is reported under the contract that it breaks, with file and line."""
    package, line, contract = PLANTED[number]
    about = re.search(rf"^{re.escape(contract)}.*\n-+\n(?s:(.*?))(?=^\S.*\n---|\Z)", broken, re.MULTILINE)
    assert about is not None, broken
    told = " ".join(about.group(1).split())  # a long line is wrapped
    assert f"- {package}.planted_{number} -> {line.removeprefix('import ')} (l.1)" in told


def test_a_file_without_a_place_is_told(copy: Path) -> None:
    """A new file at the top of the harness or of the service, which no contract places, breaks the contract of its layers."""
    planted = [copy / "harness" / "planted.py", copy / "identity" / "planted.py"]
    for path in planted:
        path.write_text("")
    try:
        told = lint(copy)
    finally:
        for path in planted:
            path.unlink()
    assert told.returncode != 0
    assert set(re.findall(r"^- brownout\.(\w+)\.planted$", told.stdout, re.MULTILINE)) == {"harness", "identity"}, told.stdout


def test_a_circle_is_told(copy: Path) -> None:
    """Two files that import each other break the contract about circles."""
    pair = {"first": "second", "second": "first"}
    for name, other in pair.items():
        (copy / "reports" / f"{name}.py").write_text(f"import brownout.reports.{other}\n")
    try:
        told = lint(copy)
    finally:
        for name in pair:
            (copy / "reports" / f"{name}.py").unlink()
    assert "No cycles are allowed in brownout.reports." in told.stdout, told.stdout
