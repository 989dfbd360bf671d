"""The project's own text names who acts: the caller, the client, the node, the user, another process.

Words such as `nobody` and `whoever` leave that to be guessed. `whatever` is allowed: "whatever happens" names no actor. Tests
are free, and so is text that was taken from a vendor, which lies in files of data.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import support.architecture_rules as rules
from support.places import ROOT

FOLDERS = (*rules.PRODUCTION, "benchmarks", "scripts", "samples", "docs")
ENDINGS = frozenset({".css", ".html", ".js", ".md", ".py", ".sh", ".yaml"})
WORDS = "anybody|anyone|everybody|everyone|nobody|somebody|someone|whichever|whoever|whomever"
UNNAMED_ACTOR = re.compile(rf"\b({WORDS})\b", re.IGNORECASE)


def unnamed_actors(root: Path) -> list[str]:
    """Lines in which one of the words stands."""
    paths = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.suffix in ENDINGS)
    return [
        f"{path.relative_to(root)}:{number}: {found.group().lower()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for found in UNNAMED_ACTOR.finditer(line)
    ]


def test_the_project_names_who_acts() -> None:
    """No comment, docstring, message or page has one of the words, and no name is one."""
    assert unnamed_actors(ROOT) == []


def test_the_rule_sees_the_project() -> None:
    """Every folder that it looks at has files for it."""
    for folder in FOLDERS:
        assert any(path.suffix in ENDINGS for path in (ROOT / folder).rglob("*")), folder


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("harness/planted.py", '"""Whoever calls gets it."""\n'),
        ("identity/core/planted.py", "NOBODY = 1\n"),
        ("suites/experiments/planted.yaml", "description: served in order, whichever it is\n"),
        ("suites/load/web/planted.js", 'say("somebody\'s load");\n'),
        ("docs/planted.md", "Nobody reads it.\n"),
    ],
)
def test_a_planted_word_is_noticed(tmp_path: Path, path: str, text: str) -> None:
    """Its file and line are named, in code, in an experiment and on a page."""
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(f"\n{text}")
    (told,) = unnamed_actors(tmp_path)
    assert told.startswith(f"{path}:2: ")


def test_plain_words_are_no_breach(tmp_path: Path) -> None:
    """Neither "whatever happens" nor a longer word; data and tests are not looked at."""
    for path, text in (
        ("harness/fine.py", "# reverted, whatever happens\n"),
        ("faults/fine.py", "# no body, some body\n"),
        ("identity/model.json", '"anyone"\n'),
        ("tests/test_fine.py", "# nobody\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert unnamed_actors(tmp_path) == []
