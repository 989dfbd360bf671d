"""Which tests reach which line: each file of tests once under coverage, with the test as its context.

What a file reaches is kept in `.mutants/`, and measured again when the file has changed, its support or data that it reads, a
file in scope that it reaches, or what is in scope.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mutation.edits import Edit
from mutation.scope import TESTS, files
from mutation.sources import data, digest, modules
from support.places import ROOT

CACHE = ROOT / ".mutants"
_WHOLE = re.compile(r"/test_(approved\w*|shifts|conducted_schedules|troubled_lives)\.py::")  # of all tests they notice most


@dataclass(frozen=True, eq=False)
class Reach:
    """`lines` has the tests by file and line, `cpu_s` what each test takes. Tests are pytest's node ids."""

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    cpu_s: Mapping[str, float]

    def tests(self, edit: Edit) -> tuple[str, ...]:
        """The tests that reach the edit: those of its file's own tests first, then approvals, then others; the fastest first.

        A line that runs at import is reached by all that reach its file. Part of a statement that has no line of its own to
        Python is reached by those that reach the statement.
        """
        if edit.is_import:
            return self._of_file(edit.path)
        return self._of_line(edit.path, edit.line) or self._of_line(edit.path, edit.statement_line)

    @cache  # noqa: B019  # one of them lives, for as long as the program
    def _of_file(self, path: str) -> tuple[str, ...]:
        return self._in_order(path, frozenset().union(*self.lines.get(path, {}).values()))

    @cache  # noqa: B019
    def _of_line(self, path: str, line: int) -> tuple[str, ...]:
        return self._in_order(path, self.lines.get(path, {}).get(line, frozenset()))

    def _in_order(self, path: str, tests: frozenset[str]) -> tuple[str, ...]:
        folder, _, name = path.rpartition("/")
        own = f"tests/{folder}/test_{name}::"

        def place(test: str) -> tuple[bool, bool, float, str]:
            return not test.startswith(own), not _WHOLE.search(test), self.cpu_s[test], test

        return tuple(sorted(tests, key=place))

    def chosen(self, edit: Edit, most_s: float) -> tuple[str, ...]:
        """The first of the tests, whose times add up to `most_s`; one in any case, where there is one."""
        found: list[str] = []
        for test in self.tests(edit):
            most_s -= self.cpu_s[test]
            if most_s < 0 and found:
                break
            found.append(test)
        return tuple(found)


def test_files() -> tuple[str, ...]:
    """The files of tests that are to notice."""
    found = [path for name in TESTS for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("test_*.py"))]
    return tuple(sorted({str(path.relative_to(ROOT)) for path in found}))


def stale(test_files: Iterable[str]) -> tuple[str, ...]:
    """Those that have to be measured."""
    return tuple(name for name in test_files if _known(name) is None)


def place(test_file: str) -> Path:
    """Where the lines that a file's tests reach are kept."""
    CACHE.mkdir(exist_ok=True)
    return CACHE / (test_file.replace("/", "+") + ".json")


def keep(test_file: str, written: Path) -> None:
    """Keeps what was measured, with what it depends on."""
    told = json.loads(written.read_text())
    told["reads"] = sorted(data(told["reads"]))
    place(test_file).write_text(json.dumps({**told, "digest": _digest(test_file, told["lines"], told["reads"])}))


@dataclass(frozen=True, slots=True)
class _Told:
    """What is kept of one file of tests: `lines` has numbers of tests, by file in scope and line."""

    tests: Sequence[str]
    cpu_s: Sequence[float]
    lines: Mapping[str, Mapping[str, Sequence[int]]]
    reads: Sequence[str] = ()
    digest: str = ""


def _known(test_file: str) -> _Told | None:
    if not place(test_file).exists():
        return None
    told = _Told(**json.loads(place(test_file).read_text()))
    return told if told.digest == _digest(test_file, told.lines, told.reads) else None


def _digest(test_file: str, reached: Iterable[str], read: Iterable[str]) -> str:
    return digest({*modules(test_file), *reached}, read, files())


def reach(test_files: Iterable[str]) -> Reach:
    """What is known of these files of tests, none of which has changed since."""
    lines: dict[str, dict[int, frozenset[str]]] = {}
    cpu_s: dict[str, float] = {}
    for told in filter(None, map(_known, test_files)):
        cpu_s.update(zip(told.tests, told.cpu_s, strict=True))
        for path, found in told.lines.items():
            mine = lines.setdefault(path, {})
            for line, numbers in found.items():
                mine[int(line)] = mine.get(int(line), frozenset()) | {told.tests[number] for number in numbers}
    return Reach(lines, cpu_s)
