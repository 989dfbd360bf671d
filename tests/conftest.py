"""What all tests share, and the order in which the workers of `make test` get the files.

A file stays on one worker (`--dist loadfile`), so that what its tests share is made once. The longest come first, and
beside the run against the clock those that wait for most of their time; short ones fill the end up evenly.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest_plugins = ["pytester", "support.needs_docker"]

ROOT = Path(__file__).resolve().parents[1]
FIRST = (
    "suites/incidents/test_ftvr_l9z.py",
    "tests/conformance/test_same_core.py",
    "tests/identity/azure/test_golden_imds.py",
    "tests/harness/cli/test_gameday.py",
    "tests/docs/test_docs_shell.py",
    "tests/harness/cli/test_disturbed_runs.py",
    "tests/harness/load/test_driver.py",
    "tests/suites/load/test_dashboard.py",
    "tests/harness/injection/test_guardian_start.py",
    "tests/suites/load/test_dashboard_command.py",
    "tests/harness/cli/test_interrupts.py",
    "tests/harness/cli/test_kills.py",
    "tests/harness/cli/test_trouble.py",
    "tests/conformance/test_conformance.py",
)


def pytest_configure() -> None:
    """Ctrl-C means what it means in a terminal, also where a shell started us in the background and had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
        order = {ROOT / name: number for number, name in enumerate(FIRST)}
        items.sort(key=lambda item: (order.get(item.path, len(FIRST)), item.path not in slow))
