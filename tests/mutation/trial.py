"""One mutant: the tests that reach it, in a process that was forked from one which has the third-party libraries already.

The changed file is put in place by an import hook, so the checkout is never touched, whoever kills the tester.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal

from mutation.scope import SELECTED
from support.places import ROOT

Fate = Literal["killed", "survived", "timeout", "unreached"]
_LIBRARIES = (
    "pytest",
    "_pytest.assertion.rewrite",
    "xdist",
    "hypothesis",
    "hypothesis.strategies",
    "pydantic",
    "yaml",
    "click",
    "rich.console",
    "orjson",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.x509",
    "httptools",
    "uvloop",
    "httpx",
    "scipy.stats",
    "asyncio",
    "sqlite3",
    "bokeh.plotting",
    "allure_commons",
)
FIRST_S, LATER_S = 2.5, 20.0  # what the tests of one mutant take without it, at most: the fastest, and those for a survivor
OUTPUT = "told.txt"
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")  # of the libraries above


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one change. `told` says in a line which."""

    path: str
    source: bytes
    told: str


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self._mutated = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._mutated, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module, and no other."""

    def __init__(self, mutant: Mutant) -> None:
        self._module = "brownout." + mutant.path.removesuffix(".py").replace("/", ".")
        self._path, self._source = str(ROOT / "src" / "brownout" / mutant.path), mutant.source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = _Loader(fullname, self._path, self._source)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def prepare() -> None:
    """Imports what every test needs and nothing of the project: what is imported before a mutant cannot be changed."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    assert not any(name.startswith("brownout.") for name in sys.modules), "the project must not be imported yet"


def chosen(tests: Sequence[str], times_s: Mapping[str, float], left_s: float) -> tuple[str, ...]:
    """The first tests whose times add up to `left_s`; one in any case, where there is one."""
    found: list[str] = []
    for test in tests:
        left_s -= times_s.get(test, 1.0)
        if left_s < 0 and found:
            break
        found.append(test)
    return tuple(found)


def fate(mutant: Mutant, tests: Sequence[str], limit_s: float, folder: Path) -> Fate:
    """What becomes of the mutant when these tests run. They have `limit_s` of real time and an empty folder."""
    if not tests:
        return "unreached"
    child = os.fork()
    if child == 0:
        _run(mutant, tests, folder)
    try:
        code = _ended(child, limit_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # whatever a test has started
    if code is None:
        return "timeout"
    if code == 5:
        raise RuntimeError(f"no test was found for {mutant.told}: {(folder / OUTPUT).read_text()[-2000:]}")
    return "survived" if code == 0 else "killed"


def _run(mutant: Mutant, tests: Sequence[str], folder: Path) -> None:
    """In the forked process; never returns."""
    os.setpgid(0, 0)
    told = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(told, 1)
    os.dup2(told, 2)
    os.chdir(ROOT)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None
    sys.meta_path.insert(0, _Finder(mutant))
    code: int = 3
    try:
        import pytest

        code = int(pytest.main([*_OPTIONS, *SELECTED, *tests]))
    except BaseException:  # the process must not go on as a copy of the tester
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(child: int, limit_s: float) -> int | None:
    """The exit code, None when it has not ended in time and was killed."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
