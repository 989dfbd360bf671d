"""A process that has collected the tests, and with them imported the project: a mutant costs it a fork and the tests.

It serves one worker of the tester over a pipe. Which lines the tests of a file reach it measures in a fork too.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType

import pytest

from mutation.forked import OPTIONS, OUTPUT, ended_in_fork, limited, redirected
from mutation.scope import SELECTED, files
from mutation.swap import functions, swapped
from mutation.tracing import Tracing
from support.places import ROOT

NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
NOT_HERE = 77  # the exit code for a change that needs an import of its own


@dataclass(frozen=True, slots=True)
class Request:
    """Tests to run, with a change in the functions of a file or with none; `traced` is where to write what they reach.

    `each_cpu_s` is what a test takes without a change: one that takes many times as long does not end.
    """

    tests: Sequence[str]
    limit_s: float
    cpu_s: int
    folder: Path
    path: str = ""
    source: bytes = b""
    traced: Path | None = None
    each_cpu_s: Mapping[str, float] = field(default_factory=dict)


class Collected:
    """The near end: starts the process when it is first asked, with these files of tests. It ends when the pipe does."""

    def __init__(self, folder: Path, tests: Sequence[str]) -> None:
        self._folder, self._tests = folder, tests
        self._has_answered = False
        self._pipe: Connection | None = None

    def code(self, request: Request) -> int | None:
        """The exit code of the tests: 0 when all pass, None when they did not end in time, `NOT_HERE` when not tried."""
        if self._pipe is None:
            self._pipe = self._started()
        try:
            self._pipe.send(request)
            code: int | None = self._pipe.recv()
            self._has_answered = True
        except (EOFError, OSError) as ended:
            if self._has_answered and request.traced is None:  # what a change made the tests do has ended it
                self._pipe = None
                return NOT_HERE
            told = (self._folder / OUTPUT).read_text()[-3000:]
            raise RuntimeError(f"the process that collects the tests has ended:\n{told}") from ended
        return code

    def _started(self) -> Connection:
        here, there = Pipe()
        if os.fork() == 0:
            here.close()
            _serve(there, self._folder, self._tests)
        there.close()
        return here


def _serve(pipe: Connection, folder: Path, tests: Sequence[str]) -> None:
    """In the forked process; never returns."""
    code: int = 3
    try:
        redirected(folder)
        code = int(pytest.main([*OPTIONS, "-s", *SELECTED, *tests], plugins=[_Server(pipe)]))
    except BaseException:  # the process must not go on as a copy of the tester
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


class _Server:
    """A plugin of pytest: in place of running the tests it runs those that it is asked for, in forks."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._imports = Tracing()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        from hypothesis import settings  # its plugin, loaded with pytest's, warns of an earlier import

        settings.register_profile("mutants", settings.get_profile("brownout"), derandomize=True, database=None)
        settings.load_profile("mutants")
        self._imports.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._imports.stop()
        runner = _Runner(session, {name: frozenset(lines) for name, lines in self._imports.lines().items()})
        while True:
            try:
                request: Request = self._pipe.recv()
            except EOFError:
                return True
            work = partial(runner.code, request)
            self._pipe.send(ended_in_fork(work, request.limit_s, request.folder, request.cpu_s))


class _Runner:
    """What runs in a fork."""

    def __init__(self, session: pytest.Session, at_import: dict[str, frozenset[int]]) -> None:
        self._session = session
        known = functions(frozenset(files()))
        self._functions = {key: mine for key, mine in known.items() if not _has_run(mine[0].__code__, at_import.get(key[0]))}

    def code(self, request: Request) -> int:
        if request.path:
            source = (ROOT / request.path).read_bytes()
            if source != request.source and not swapped(request.path, source, request.source, self._functions):
                return NOT_HERE
        wanted = set(request.tests)
        items = [item for item in self._session.items if not wanted.isdisjoint((item.nodeid, item.nodeid.partition("::")[0]))]
        if request.traced is None:
            order = {test: number for number, test in enumerate(request.tests)}
            items.sort(key=lambda item: order.get(item.nodeid, 0))
            return self._run(items, request, None)
        tracing = Tracing()
        tracing.watch_reads()
        tracing.start()
        code = self._run(items, request, tracing)
        tracing.stop()
        if code in (0, NO_TESTS):
            tracing.write(request.traced)
        return code

    def _run(self, items: Sequence[pytest.Item], request: Request, tracing: Tracing | None) -> int:
        if not items:
            return NO_TESTS
        for item, after in zip(items, [*items[1:], None], strict=True):
            if tracing is not None:
                tracing.at(item.nodeid)
            limited(request.each_cpu_s.get(item.nodeid))
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if self._session.testsfailed:
                return 1
        return 0


def _has_run(code: CodeType, at_import: frozenset[int] | None) -> bool:
    """Whether the function ran while modules were imported: what it gave then stays when it is changed later."""
    inside = {line for _, _, line in code.co_lines() if line is not None} - {code.co_firstlineno}
    return at_import is not None and not inside.isdisjoint(at_import)
