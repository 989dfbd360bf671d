"""What the package tells its users to type exists where it is installed, which has no Makefile."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.cli import main
from support.installed_wheel import FOLDERS
from support.places import ROOT

MADE = re.compile(r"`make [a-z-]+`|\bmake (setup|images|images-offline|gameday|test)\b")
SENT = re.compile(r"\bsee (the page )?docs/")
IN_A_CHECKOUT = "harness/base/hints.py"  # asks whether this is one
TYPED = re.compile(r"`brownout ([a-z-]+)")


def texts(path: Path) -> Iterator[str]:
    """Every text of a file that can be printed: of a module its strings that are no docstrings, else the whole of it."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield content
        return
    tree = ast.parse(content)
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def packaged() -> Iterator[tuple[str, str]]:
    """The texts of every file of the package, with its name in the checkout."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".yaml", ".html", ".js", ".md"} and "__pycache__" not in path.parts:
                for text in texts(path):
                    yield str(path.relative_to(ROOT)), text


def test_no_hint_names_the_makefile() -> None:
    """A user who has installed the wheel is never told to make anything; what asks for a checkout first may."""
    found = {name for name, text in packaged() if MADE.search(text)}
    assert found == {IN_A_CHECKOUT}


def test_no_hint_sends_to_a_page_that_is_not_installed() -> None:
    """The wheel has no pages: a message says itself what to do, or which command does."""
    found = {f"{name}: {text}" for name, text in packaged() if name.endswith(".py") and SENT.search(text)}
    assert found == set()


def test_every_command_that_a_hint_names_is_one() -> None:
    """`brownout WORD` in a message is a command of the command line."""
    named = {word for name, text in packaged() if name.endswith(".py") for word in TYPED.findall(text)}
    assert {"setup", "images", "down", "heal"} <= named
    assert named - set(main.commands) == set()


@pytest.mark.parametrize(("text", "is_found"), [("`make setup` installs it", True), ("make one", False), ("make images", True)])
def test_the_search_finds_what_it_is_for(text: str, is_found: bool) -> None:
    """The pattern tells commands of make from the verb."""
    assert bool(MADE.search(text)) is is_found
