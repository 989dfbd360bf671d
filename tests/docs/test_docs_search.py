"""The page on the search: its commands are ones that there are, and what it prints is what the search prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from brownout.harness.cli.frame import main
from brownout.identity.core.planted import PLANTED
from brownout.suites.search import command
from brownout.suites.search.corpus import FOLDER
from brownout.suites.search.findings import write_finding
from brownout.suites.search.minimise import Minimal
from support.docs_pages import DOCS, blocks, prose

PAGE = DOCS / "search.md"
NUMBERS = {9: "Nine", 10: "Ten", 11: "Eleven", 12: "Twelve"}


def commands() -> list[list[str]]:
    spoken = re.findall(r"`(brownout search [^`]*)`", prose(PAGE))
    pasted = [line[2:] for block in blocks(PAGE, "console") for line in block.text.splitlines()]
    return [shlex.split(line) for line in (*pasted, *spoken)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_can_be_typed(words: list[str]) -> None:
    """Each option of each line exists and takes that value."""
    program, name, *arguments = words
    assert program == "brownout"
    assert name in ("search", "run")
    main.commands[name].make_context(name, arguments)


def test_the_printed_finding_is_what_a_search_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of a case of the corpus, with the places of its files left out."""
    least = Minimal.model_validate_json((FOLDER / "store-key-grace.json").read_bytes())
    command.tell(write_finding(tmp_path, 1, 1, 1, least))
    printed = capsys.readouterr().out.replace(str(tmp_path), "searches/search-1").splitlines()
    (shown,) = [block.text.splitlines() for block in blocks(PAGE, "text")]
    assert len(printed) == len(shown)
    for line, expected in zip(printed, shown, strict=True):
        assert line.startswith(expected.removesuffix(" ...")), (line, expected)


def test_the_page_counts_the_planted_bugs() -> None:
    """And names where the declared violations stand."""
    assert f"{NUMBERS[len(PLANTED)]} bugs are planted" in prose(PAGE)
    assert "suites/search/allowed.py:ALLOWED" in prose(PAGE)
