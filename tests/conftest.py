"""What all tests share, and the order in which the workers of `make test` and `make test-slow` get the files.

A file stays on one worker (`--dist loadfile`), so that what its tests share is made once. The longest come first. Suites,
whose files simulate whole incidents, come before what else is fast; short ones fill the end up evenly.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "support.needs_docker"]

ROOT = Path(__file__).resolve().parents[1]
FULL_COLLECTION_AFTER = 100  # collections of the middle generation; the interpreter's own number is 10
FIRST = (
    "suites/incidents/test_identity_not_found.py",
    "tests/samples/test_samples.py",
    "tests/docs/test_docs_samples.py",
    "tests/harness/pytest_plugin/test_many_workers.py",
    "suites/incidents/test_ftvr_l9z.py",  # beside the first one it would only wait: real runs of the plugin take turns
    "tests/harness/cli/test_concurrent_use.py",
    "tests/harness/pytest_plugin/test_other_plugins.py",
    "tests/harness/matrix/test_processes.py",
    "tests/suites/incidents/test_aws_claims.py",
    "tests/packaging/test_wheel.py",
    "tests/conformance/test_same_core.py",
    "tests/identity/azure/hosts/test_golden_imds.py",
    "tests/harness/cli/test_gameday.py",
    "tests/docs/test_docs_shell.py",
    "tests/harness/cli/test_disturbed_runs.py",
    "tests/suites/load/test_dashboard.py",
    "tests/harness/injection/test_guardian_start.py",
    "tests/suites/load/test_dashboard_command.py",
    "tests/harness/cli/test_interrupts.py",
    "tests/harness/cli/test_kills.py",
    "tests/harness/cli/test_trouble.py",
    "tests/conformance/test_conformance.py",
)

# How long an example takes says more of what else the machine does than of the code. The gate draws the same examples each
# time: it is about the change, and looking for new failures is work of its own.
settings.register_profile(
    "brownout", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("brownout")


def pytest_configure() -> None:
    """Ctrl-C means what it means in a terminal, also where a shell started us in the background and had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: looking for garbage among it takes a sixth of the time, and again during tests.

    So do reports and whatever is kept for a session: a full search of all of it is worth its time less often than by default.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, FULL_COLLECTION_AFTER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
        order = {ROOT / name: number for number, name in enumerate(FIRST)}
        suites = ROOT / "suites"
        items.sort(
            key=lambda item: (order.get(item.path, len(FIRST)), item.path not in slow, not item.path.is_relative_to(suites))
        )
