"""A few mutants of each kind at every run, always the same: no traceback, no hang, nothing left, a code of the table.

Thousands are tried by hand: `PYTHONPATH=tests .venv/bin/python -m fuzz files --count 10000` (and `commands`, `folders`).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from fuzz import commands, files, folders

pytestmark = pytest.mark.slow

SEED = 20240718


def broken_by(target: Any, work: Path, count: int) -> list[tuple[int, str]]:
    """The seeds of the mutants that broke a promise, and which."""
    tried = ((seed, target.attempt(random.Random(seed), work)[1]) for seed in range(SEED, SEED + count))
    return [(seed, broken) for seed, broken in tried if broken]


@pytest.mark.parametrize(
    ("target", "count"), [(files, 40), (commands, 120), (folders, 15)], ids=["files", "commands", "folders"]
)
def test_mutants_are_refused_in_words_or_done(target: Any, count: int, tmp_path: Path) -> None:
    """`python -m fuzz KIND --only SEED` shows one that is not."""
    assert broken_by(target, tmp_path, count) == []


def test_a_mutant_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    """Its seed alone decides it, so that a found one can be tried again."""
    for make in (lambda draw: files.mutated(draw, files.RICH), commands.made):
        assert make(random.Random(SEED)) == make(random.Random(SEED))
