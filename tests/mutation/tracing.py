"""A pytest plugin: records which lines each test runs, and how long it takes, into the folder of the mutation tester."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

FOLDER = Path(os.environ["BROWNOUT_MUTATION_FOLDER"])
_SOURCES = ("harness", "suites")


class Tracing:
    """One coverage measurement of this process, told which test runs."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self._measured = coverage.Coverage(
            data_file=str(FOLDER / f"coverage.{os.getpid()}"),
            include=[f"{root}/{name}/*" for name in _SOURCES] + [f"{root}/src/brownout/{name}/*" for name in _SOURCES],
        )
        self._times_s: dict[str, float] = {}
        self._measured.start()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._measured.switch_context(item.nodeid)
        yield
        self._measured.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._times_s[report.nodeid] = self._times_s.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        self._measured.stop()
        self._measured.save()
        lines = (json.dumps({"test": test, "s": round(took_s, 4)}) for test, took_s in self._times_s.items())
        (FOLDER / f"times-{os.getpid()}.jsonl").write_text("\n".join(lines) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Only where tests run: not in the process that hands them out."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Tracing())
