"""One mutant: the tests that reach it, in a fork.

A change within a function is made in a fork of a process that has collected the tests. One of what runs at import is made in a
fork of a process that has the third-party libraries only, by an import hook. So the checkout is never touched, whatever kills
the tester.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal

from mutation.collected import NO_TESTS, NOT_HERE, Collected, Request
from mutation.forked import OPTIONS, OUTPUT, ended_in_fork
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
    "allure_commons",
)


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


def fate(
    mutant: Mutant,
    tests: Sequence[str],
    limit_s: float,
    cpu_s: int,
    folder: Path,
    at: Collected | None = None,
    each_cpu_s: Mapping[str, float] | None = None,
) -> Fate:
    """What becomes of the mutant when these tests run. They have limits of real and of processor time and an empty folder.

    `at` is tried first, which is faster where it can be.
    """
    if not tests:
        return "unreached"
    code: int | None = NOT_HERE
    if at is not None:
        code = at.code(Request(tests, limit_s, cpu_s, folder, mutant.path, mutant.source, None, each_cpu_s or {}))
    if code == NOT_HERE:
        code = ended_in_fork(partial(_run, mutant, tests), limit_s, folder, cpu_s)
    if code is None:
        return "timeout"
    if code == NO_TESTS:
        raise RuntimeError(f"no test was found for {mutant.told}: {(folder / OUTPUT).read_text()[-2000:]}")
    return "survived" if code == 0 else "killed"


def _run(mutant: Mutant, tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Finder(mutant))
    import pytest

    return int(pytest.main([*OPTIONS, *SELECTED, *tests]))
