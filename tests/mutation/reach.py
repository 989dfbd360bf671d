"""Which tests reach which line: one run of the fast tests under coverage, with the test as its context.

The map is kept in `.mutants/` and made again when a source or a test has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coverage import CoverageData

from mutation.edits import Edit
from mutation.scope import REPLAYING, SELECTED, TESTS
from support.places import ROOT

CACHE = ROOT / ".mutants"
_SOURCES = ("harness", "faults", "identity", "suites", "tests", "benchmarks")


@dataclass(frozen=True, eq=False)
class Reach:
    """`lines` has the tests by file and line, `times_s` how long each test takes. Tests are pytest's node ids."""

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    times_s: Mapping[str, float]

    def tests(self, edit: Edit) -> tuple[str, ...]:
        """The tests that reach the edit, the fastest first. A line that runs at import is reached by all of its file."""
        return self._of_file(edit.path) if edit.is_import else self._of_line(edit.path, edit.line)

    @cache  # noqa: B019  # one of them lives, for as long as the program
    def _of_file(self, path: str) -> tuple[str, ...]:
        return self._fastest_first(frozenset().union(*self.lines.get(path, {}).values()))

    @cache  # noqa: B019
    def _of_line(self, path: str, line: int) -> tuple[str, ...]:
        return self._fastest_first(self.lines.get(path, {}).get(line, frozenset()))

    def _fastest_first(self, tests: frozenset[str]) -> tuple[str, ...]:
        return tuple(sorted(tests, key=lambda test: (test.startswith(REPLAYING), self.times_s.get(test, 1.0), test)))


def reach(files: Iterable[str], jobs: int, *, keep: bool = False) -> Reach:
    """The map for these files, from the cache where nothing has changed; `keep` takes an older one that is there as it is."""
    digest, told = _digest(), CACHE / "reach.json"
    is_known = told.exists() and (keep or json.loads(told.read_text())["digest"] == digest)
    if not is_known:
        CACHE.mkdir(exist_ok=True)
        _run_tests(jobs)
        told.write_text(json.dumps({"digest": digest}))
    return _read(files)


def _digest() -> str:
    seen = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            seen.update(str(path).encode() + b"\0" + path.read_bytes())
    return seen.hexdigest()


def _run_tests(jobs: int) -> None:
    for old in CACHE.glob("coverage.*"):
        old.unlink()
    for old in CACHE.glob("times-*.jsonl"):
        old.unlink()
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), "--dist", "loadfile", "-p", "mutation.tracing"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "BROWNOUT_MUTATION_FOLDER": str(CACHE)}
    ended = subprocess.run(
        [*command, *SELECTED, *TESTS], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise SystemExit(f"the tests fail without any mutant:\n{ended.stdout[-3000:]}{ended.stderr[-1000:]}")


def _read(files: Iterable[str]) -> Reach:
    wanted = {str((ROOT / name).resolve()): name for name in files}
    lines: dict[str, dict[int, frozenset[str]]] = {}
    for part in sorted(CACHE.glob("coverage.*")):
        data = CoverageData(str(part))
        data.read()
        for measured in data.measured_files():
            name = wanted.get(str(Path(measured).resolve()))
            if name is not None:
                mine = lines.setdefault(name, {})
                for line, tests in data.contexts_by_lineno(measured).items():
                    mine[line] = mine.get(line, frozenset()) | frozenset(test for test in tests if test)
    told = [json.loads(line) for path in sorted(CACHE.glob("times-*.jsonl")) for line in path.read_text().splitlines()]
    return Reach(lines, {one["test"]: one["s"] for one in told})
