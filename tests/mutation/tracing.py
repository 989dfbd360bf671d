"""Which lines of the files in scope run, by test, the processor time of each test, and which files of data the tests read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import coverage

from mutation.scope import files
from support.places import ROOT


class Tracing:
    """A measurement of this process, told which test runs. It keeps all in memory until it is written."""

    def __init__(self) -> None:
        self._names = {str(ROOT / name): name for name in files()}
        linked = {str(ROOT / "src" / "brownout" / name): name for name in files()}
        self._names.update(linked)
        self._measured = coverage.Coverage(data_file=None, config_file=False, include=list(self._names))
        self._measured.set_option("run:disable_warnings", ["no-data-collected"])  # a file of tests may reach nothing in scope
        self._cpu_s: dict[str, float] = {}
        self._test, self._since_s = "", 0.0
        self._read: set[str] = set()

    def watch_reads(self) -> None:
        """From here on what this process opens to read counts as data of the tests. It cannot be ended."""
        sys.addaudithook(self._opened)

    def _opened(self, event: str, about: tuple[object, ...]) -> None:
        if event != "open":
            return
        path, _, flags = about
        if isinstance(path, str) and isinstance(flags, int) and flags & os.O_ACCMODE == os.O_RDONLY:
            self._read.add(path)

    def start(self) -> None:
        self._measured.start()

    def at(self, test: str) -> None:
        """From here on this test runs; the one before has ended."""
        self._clocked()
        self._test = test
        self._measured.switch_context(test)

    def _clocked(self) -> None:
        now_s = sum(os.times()[:4])  # with the processes that it waited for
        if self._test:
            self._cpu_s[self._test] = round(now_s - self._since_s, 3)
        self._since_s = now_s

    def stop(self) -> None:
        self._clocked()
        self._measured.stop()

    def lines(self) -> Mapping[str, Mapping[int, Sequence[str]]]:
        """The tests by file and line; of what ran before the first of them the line is there too."""
        data = self._measured.get_data()
        return {self._names[path]: data.contexts_by_lineno(path) for path in data.measured_files()}

    def write(self, path: Path) -> None:
        """As JSON, in which tests are numbered."""
        numbers = {test: number for number, test in enumerate(self._cpu_s)}
        lines = {
            name: {line: sorted(numbers[test] for test in tests if test) for line, tests in found.items()}
            for name, found in self.lines().items()
        }
        told = {"tests": list(numbers), "cpu_s": list(self._cpu_s.values()), "lines": lines, "reads": sorted(self._read)}
        path.write_text(json.dumps(told))
