"""A few mutants of each kind at every run, always the same: no traceback, no hang, nothing left, a code of the table.

Thousands are tried by hand: `PYTHONPATH=tests .venv/bin/python -m fuzz files --count 10000` (and `commands`, `folders`).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from fuzz import commands, files, folders
from fuzz.machinery import supervisor
from fuzz.stack import SURFACES
from fuzz.targets import target_of

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


@pytest.mark.parametrize(
    ("name", "count"),
    [("machinery.state", 40), ("machinery.toxiproxy", 200), ("machinery.doors", 200), ("machinery.supervisor", 60)],
)
def test_the_machinery_copes_with_what_it_reads(name: str, count: int, tmp_path: Path) -> None:
    """Damaged state folders, foreign answers, strange clients: words instead of tracebacks, and nothing is lost."""
    try:
        assert broken_by(target_of(name), tmp_path, count) == []
    finally:
        supervisor.close()


@pytest.mark.parametrize("name", ["parsers", "sockets", *SURFACES])
def test_nodes_and_parsers_are_as_well_as_before(name: str, tmp_path: Path) -> None:
    """No exception, no hang, an answer that can be sent, and the canaries of the stack are answered as at first."""
    assert broken_by(target_of(name), tmp_path, 400) == []


async def raises(node: Node, request: Request) -> Response:
    """In place of a node's answer."""
    raise KeyError(request.method)


async def forgets(node: Node, request: Request) -> Response:
    """It has forgotten the machine that no case asks for."""
    return Response(404, {"gone": ""}) if "canary" in request.path else Response(200, {})


async def opens(node: Node, request: Request) -> Response:
    """It lets everybody in."""
    return Response(200, {})


@pytest.mark.parametrize(
    ("planted", "name", "found"),
    [
        (raises, "hosts", "KeyError"),
        (forgets, "hosts", " instead of "),
        (opens, "strangers", "a stranger was answered with 200"),
    ],
    ids=["raises", "forgets", "opens"],
)
def test_a_node_that_breaks_a_promise_is_found(
    planted: Any, name: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a node that turns bad once its stack is up."""
    target = target_of(name)
    assert target.attempt(random.Random(SEED), tmp_path)[1] == ""
    monkeypatch.setattr(Node, "handle", planted)
    told = (target.attempt(random.Random(seed), tmp_path)[1] for seed in range(SEED, SEED + 200))
    assert found in next(filter(None, told))


def test_a_mutant_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    """Its seed alone decides it, so that a found one can be tried again."""
    for make in (lambda draw: files.mutated(draw, files.RICH), commands.made):
        assert make(random.Random(SEED)) == make(random.Random(SEED))
