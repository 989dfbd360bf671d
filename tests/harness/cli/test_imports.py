"""What the command imports: a library that a command does not use costs everyone who calls it a part of a second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_RUN = """
import sys
from brownout.harness.cli import main
try:
    main(sys.argv[2].split())
except SystemExit:
    pass
print(*(name for name in sys.argv[1].split() if name in sys.modules), file=sys.stderr)
"""
LIVE = "asyncio docker httpx rich"  # what stacks that are up are reached with
DATA = "importlib.metadata pydantic yaml"
HEAVY = "bokeh botocore cryptography locust gevent azure numpy"


@pytest.mark.parametrize(
    ("command", "unused"),
    [("--help", f"{LIVE} {DATA} {HEAVY}"), ("run --help", f"{LIVE} {DATA} {HEAVY}"), ("faults link-slow", f"{LIVE} {HEAVY}")],
)
def test_a_command_imports_what_it_uses(command: str, unused: str) -> None:
    """Help needs none of the libraries, and what only reads data needs none that reaches stacks or draws charts."""
    command_line = [sys.executable, "-c", _RUN, unused, command]
    told = subprocess.run(command_line, capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout
    assert told.stderr.split() == []


def test_a_stack_of_processes_is_reached_without_httpx_and_docker() -> None:
    """Bringing one up, breaking it and healing it import neither: containers and the load's web page need them."""
    script = (
        "import sys; from brownout.harness.operate import heal, inject, stacks\n"
        "from brownout.harness.worlds.catalog import live_world; live_world('processes')\n"
        "sys.exit(any(name in sys.modules for name in ('httpx', 'docker', 'rich', 'cryptography')))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode == 0


def test_where_nothing_stands_nothing_that_heals_is_imported(tmp_path: Path) -> None:
    """A simulated run on a machine without stacks looks whether there are any, and goes on."""
    script = (
        "import sys; from brownout.harness.cli.frame import heal_first; found = heal_first('*')\n"
        "sys.exit(bool(found) or any(name in sys.modules for name in ('asyncio', 'brownout.harness.operate.heal')))"
    )
    environment = {**os.environ, "BROWNOUT_HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False, env=environment).returncode == 0


def test_a_run_that_tells_of_itself_to_nothing_imports_nothing_for_it() -> None:
    """Neither option is given and no variable asks for OpenTelemetry: no observer, and no module of telemetry."""
    script = (
        "import sys; from brownout.harness.cli.telemetry.of_run import Telemetry\n"
        "with Telemetry().listening('simulation') as observers: pass\n"
        "sys.exit(bool(observers) or any(name.startswith('brownout.harness.telemetry.') for name in sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False, env=environment).returncode == 0
