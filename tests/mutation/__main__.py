"""`PYTHONPATH=tests python -m mutation --budget 10m`: the hand-made mutants first, then a seeded sample of the generated ones.

The sample is stratified: of any length, it has as large a part of each package's mutants. Prints a line for each survivor. Exit
code 1 when a hand-made one survives, or 5 % of the generated ones or more without a reason in docs/mutants.md.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from pathlib import Path

from mutation import trial
from mutation.collected import NO_TESTS, Collected, Request
from mutation.edits import Edit, edits
from mutation.explained import PAGE, explained
from mutation.forked import OUTPUT
from mutation.hand_made import PATCHES
from mutation.reach import Reach, keep, reach, stale, test_files
from mutation.scope import files
from mutation.trial import Fate, Mutant
from support.places import ROOT

UNEXPLAINED_MOST = 0.05
CONTROLS = 6  # generated mutants whose tests are first run without them
TESTS_S = 20.0  # what the tests of one mutant take without it, at most
SLOWEST_S = 600.0  # for all tests of a file, and for the folders of tests that a mutant by hand names
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Task:
    """A mutant with the tests that must notice. It is not begun after `until_s` of the monotonic clock."""

    mutant: Mutant
    tests: Sequence[str]
    limit_s: float
    cpu_s: int
    until_s: float = float("inf")
    is_collected: bool = True
    each_cpu_s: Mapping[str, float] = field(default_factory=dict)


class _Worker:
    """What one process of the pool has: a folder, and the process in which the tests are collected."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.collected = Collected(Path(self._folder.name), tests)


_mine: list[_Worker] = []


def main() -> int:
    """Tries mutants until the budget is spent or all were tried."""
    told = _arguments()
    names = [name for name in test_files() if re.search(told.tests, name)]
    with _pool(told.jobs, names) as pool:
        if told.what != "generated":
            _control(pool, _by_hand())
            fates = list(pool.map(_tried, _by_hand()))
            lived = [patch.lie for patch, fate in zip(PATCHES, fates, strict=True) if fate != "killed"]
            _say(f"{len(PATCHES)} mutants by hand, {len(lived)} survived", *(f"  SURVIVED: {lie}" for lie in lived))
            if lived or told.what == "by-hand":
                return 1 if lived else 0
        return _generated(pool, told, names)


@contextmanager
def _pool(jobs: int, tests: Sequence[str]) -> Iterator[Executor]:
    trial.prepare()
    # Not a Pool, whose workers may not have children: some tests start processes of their own.
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=_begin, initargs=(tests,)) as pool:
        yield pool


def _begin(tests: Sequence[str]) -> None:
    threading.Thread(target=_end_with_the_owner, daemon=True).start()
    _mine.append(_Worker(tests))


def _end_with_the_owner() -> None:
    """A worker whose owner was killed would wait for more work for ever."""
    owner = parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)


def _by_hand() -> list[Task]:
    limits = (SLOWEST_S, int(SLOWEST_S))
    return [Task(Mutant(p.path, p.applied(), p.lie), p.tests, *limits, is_collected=False) for p in PATCHES]


def _generated(pool: Executor, told: argparse.Namespace, names: Sequence[str]) -> int:
    every = sampled([edits(name, (ROOT / name).read_bytes()) for name in files() if re.search(told.only, name)], told.seed)
    _measure(pool, stale(names))
    found = reach(names)
    _control(pool, [_task(edit, found) for edit in every[:CONTROLS]])
    until_s = time.monotonic() + told.budget
    tasks = [_task(edit, found, until_s) for edit in every]
    tried: dict[Edit, Fate] = {}
    for edit, fate in zip(every, pool.map(_tried, tasks), strict=True):
        if fate is not None:
            tried[edit] = fate
            if told.verbose:
                _say(f"  {fate}: line {edit.line}: {edit.text}")
    return _summed_up(tried, len(every), told.seed)


def sampled(files_edits: Sequence[Sequence[Edit]], seed: int) -> list[Edit]:
    """All edits in an order of which any beginning has about the same share of each folder's."""
    folders: dict[str, list[Edit]] = {}
    for edit in (each for found in files_edits for each in found):
        folders.setdefault(edit.path.rpartition("/")[0], []).append(edit)
    drawn, places = random.Random(seed), {}
    for mine in folders.values():
        drawn.shuffle(mine)
        places.update({edit: (number + drawn.random()) / len(mine) for number, edit in enumerate(mine)})
    return sorted(places, key=places.__getitem__)


def _measure(pool: Executor, names: Sequence[str]) -> None:
    """Renews the map of what the tests of these files reach. It is no part of the budget."""
    since_s = time.monotonic()
    for name, problem in zip(names, pool.map(_measured, names), strict=True):
        if problem:
            raise SystemExit(f"the tests of {name} fail without any mutant: {problem}")
    if names:
        _say(f"measured what the tests of {len(names)} files reach, in {time.monotonic() - since_s:.0f} s")


def _measured(name: str) -> str:
    """Why not, "" when it was done; a file without a fast test reaches nothing."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "lines.json"
        code = _mine[0].collected.code(Request([name], SLOWEST_S, int(SLOWEST_S), Path(folder), traced=written))
        if code in (0, NO_TESTS):
            keep(name, written)
        return "" if code in (0, NO_TESTS) else (Path(folder) / OUTPUT).read_text(errors="replace")[-3000:] or "no output"


def _summed_up(tried: dict[Edit, Fate], known: int, seed: int) -> int:
    reasons = explained()
    lived = sorted((one for one in tried if tried[one] in ("survived", "unreached")), key=lambda one: (one.path, one.line))
    unexplained = [edit for edit in lived if edit.text not in reasons]
    _say(*(f"  {tried[edit].upper()} line {edit.line}: {edit.text}" for edit in unexplained))
    share = len(unexplained) / len(tried) if tried else 0.0
    endless = sum(fate == "timeout" for fate in tried.values())
    _say(
        f"{len(tried)} of {known} mutants tried with seed {seed}: {len(tried) - len(lived)} noticed ({endless} by not ending), "
        f"{len(lived) - len(unexplained)} explained in {PAGE.relative_to(ROOT)}, {len(unexplained)} unexplained ({share:.1%})"
    )
    return 1 if share >= UNEXPLAINED_MOST else 0


def _control(pool: Executor, tasks: Sequence[Task]) -> None:
    """Ends the program when the tests of these mutants do not pass without them: then a killed mutant proves nothing."""
    for task, fate in zip(tasks, pool.map(_tried, [_unchanged(task) for task in tasks]), strict=True):
        if fate not in ("survived", "unreached"):
            raise SystemExit(f"without the mutant its tests fail too ({fate}): {task.mutant.told}: {' '.join(task.tests)}")


def _unchanged(task: Task) -> Task:
    source = (ROOT / task.mutant.path).read_bytes()
    return replace(task, mutant=Mutant(task.mutant.path, source, task.mutant.told), until_s=float("inf"))


def _task(edit: Edit, found: Reach, until_s: float = float("inf")) -> Task:
    tests = found.chosen(edit, TESTS_S)
    each_cpu_s = {test: found.cpu_s[test] for test in tests}
    expected_s = sum(each_cpu_s.values())
    mutant = Mutant(edit.path, edit.applied((ROOT / edit.path).read_bytes()), edit.text)
    return Task(mutant, tests, 60.0 + 20 * expected_s, int(8 + 4 * expected_s), until_s, each_cpu_s=each_cpu_s)


def _tried(task: Task) -> Fate | None:
    """None for one that the budget did not allow, or that Python does not read: the import would fail, and no test."""
    if time.monotonic() >= task.until_s or not _compiles(task.mutant):
        return None
    with tempfile.TemporaryDirectory() as folder:
        at = _mine[0].collected if task.is_collected else None
        return trial.fate(task.mutant, task.tests, task.limit_s, task.cpu_s, Path(folder), at, task.each_cpu_s)


def _compiles(mutant: Mutant) -> bool:
    try:
        compile(mutant.source, mutant.path, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", default="all", choices=("all", "by-hand", "generated"))
    parser.add_argument("--budget", type=_seconds, default=600.0, help="for the generated ones, such as 90s, 10m or 2h")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a pattern of files")
    parser.add_argument("--tests", default="", help="a pattern of files of tests, for a first look: others do not notice then")
    parser.add_argument("--verbose", action="store_true", help="say what became of each")
    return parser.parse_args()


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no budget; write 90s, 10m or 2h")
    return float(found[1]) * _UNITS_S[found[2]]


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
