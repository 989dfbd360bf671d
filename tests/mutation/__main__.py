"""`PYTHONPATH=tests python -m mutation --budget 10m`: the hand-made mutants first, then a seeded sample of the generated ones.

Prints a line for each survivor. Exit code 1 when a hand-made one survives, or 5 % of the generated ones or more without a
reason in docs/mutants.md.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from mutation import trial
from mutation.edits import Edit, edits
from mutation.explained import PAGE, explained
from mutation.hand_made import PATCHES
from mutation.reach import Reach, reach
from mutation.scope import files
from mutation.trial import Fate, Mutant
from support.places import ROOT

UNEXPLAINED_MOST = 0.05
CONTROLS = 6  # generated mutants whose tests are first run without them
SLOWEST_S = 300.0  # for the folders of tests that a mutant by hand names
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Task(NamedTuple):
    """A mutant with the tests that must notice: those at first, and for one that they let live those `later`.

    It is not begun after `until_s` of the monotonic clock.
    """

    mutant: Mutant
    tests: Sequence[str]
    limit_s: float
    until_s: float
    later: Sequence[str] = ()


def main() -> int:
    """Tries mutants until the budget is spent or all were tried."""
    told = _arguments()
    until_s = time.monotonic() + told.budget
    if told.what != "generated":
        _control(told.jobs, _by_hand())
        fates = list(_fates(told.jobs, _by_hand()))
        lived = [patch.lie for patch, fate in zip(PATCHES, fates, strict=True) if fate != "killed"]
        _say(f"{len(PATCHES)} mutants by hand, {len(lived)} survived", *(f"  SURVIVED: {lie}" for lie in lived))
        if lived or told.what == "by-hand":
            return 1 if lived else 0
    return _generated(told, until_s)


def _by_hand() -> list[Task]:
    return [Task(Mutant(p.path, p.applied(), p.lie), p.tests, SLOWEST_S, float("inf")) for p in PATCHES]


def _generated(told: argparse.Namespace, until_s: float) -> int:
    every = [edit for name in files() if re.search(told.only, name) for edit in edits(name, (ROOT / name).read_bytes())]
    random.Random(told.seed).shuffle(every)
    found = reach(files(), told.jobs, keep=told.keep_map)
    tasks = [_task(edit, found, until_s) for edit in every]
    _control(told.jobs, random.Random(told.seed).sample(tasks, min(CONTROLS, len(tasks))))
    tried: dict[Edit, Fate] = {}
    for edit, fate in zip(every, _fates(told.jobs, tasks), strict=True):
        if fate is not None:
            tried[edit] = fate
            if told.verbose:
                _say(f"  {fate}: line {edit.line}: {edit.text}")
    return _summed_up(tried, len(every), told.seed)


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


def _control(jobs: int, tasks: Sequence[Task]) -> None:
    """Ends the program when the tests of these mutants do not pass without them: then a killed mutant proves nothing."""
    for task, fate in zip(tasks, _fates(jobs, [_unchanged(task) for task in tasks]), strict=True):
        if fate not in ("survived", "unreached"):
            raise SystemExit(f"without the mutant its tests fail too ({fate}): {task.mutant.told}: {' '.join(task.tests)}")


def _unchanged(task: Task) -> Task:
    source = (ROOT / task.mutant.path).read_bytes()
    return task._replace(mutant=Mutant(task.mutant.path, source, task.mutant.told), until_s=float("inf"))


def _task(edit: Edit, found: Reach, until_s: float) -> Task:
    tests = trial.chosen(found.tests(edit), found.times_s, trial.FIRST_S)
    later = trial.chosen(found.tests(edit)[len(tests) :], found.times_s, trial.LATER_S)
    limit_s = 60.0 + 8 * sum(found.times_s.get(test, 1.0) for test in tests)
    return Task(Mutant(edit.path, edit.applied((ROOT / edit.path).read_bytes()), edit.text), tests, limit_s, until_s, later)


def _fates(jobs: int, tasks: Sequence[Task]) -> Iterator[Fate | None]:
    """In the order of the tasks; None for one that the budget did not allow."""
    trial.prepare()
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_tried, tasks)


def _tried(task: Task) -> Fate | None:
    if time.monotonic() >= task.until_s:
        return None
    with tempfile.TemporaryDirectory() as folder:
        fate = trial.fate(task.mutant, task.tests, task.limit_s, Path(folder))
        if fate != "survived" or not task.later:
            return fate
        return trial.fate(task.mutant, task.later, SLOWEST_S, Path(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", default="all", choices=("all", "by-hand", "generated"))
    parser.add_argument("--budget", type=_seconds, default=600.0, help="for the generated ones, such as 90s, 10m or 2h")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep-map", action="store_true", help="which test reaches what, as it was found for older sources")
    parser.add_argument("--only", default="", help="a pattern of files")
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
