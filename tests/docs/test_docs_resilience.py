"""The page on AWS's resilience names every claim once and only tests that exist; the pages on its events show what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.docs_pages import DOCS, read
from support.places import ROOT

PAGE = DOCS / "aws-resilience.md"
EVENTS = ("aws-iam-2021-08-26", "aws-us-east-1-2025-10-20")


def rows() -> Iterator[list[str]]:
    """The page's claims: the number, the claim, what was measured, tests, control."""
    for line in read(PAGE).splitlines():
        if re.match(r"\| C\d+ \|", line):
            yield [cell.strip() for cell in line.strip("| ").split(" | ")]


def names_below(folder: Path) -> set[str]:
    """The names of all tests below a folder."""
    files = folder.rglob("test_*.py")
    return {name for path in files for name in re.findall(r"^def (test_\w+)", read(path), re.MULTILINE)}


def test_every_claim_has_its_row() -> None:
    """The 30 claims, each once, with all of its cells."""
    found = list(rows())
    assert sorted(int(row[0][1:]) for row in found) == list(range(1, 31))
    assert {len(row) for row in found} == {5}


def test_every_named_test_exists() -> None:
    """In the suites when its name is a claim's or an event's, else anywhere in the tests."""
    suites, beside = names_below(ROOT / "suites" / "resilience"), names_below(ROOT / "tests")
    named = set(re.findall(r"`(test_\w+)`", read(PAGE)))
    assert len(named) > 30
    assert named - suites - beside == set()
    assert {name for name in named if re.match(r"test_(c\d|20\d\d_|link_cut)", name)} <= suites


def test_only_what_is_historical_has_no_test() -> None:
    """A claim without a test says why there is none."""
    untested = [row for row in rows() if "`test_" not in row[3]]
    assert [row[0] for row in untested] == [f"C{number}" for number in (28, 30)]
    assert all(re.search("historical|not testable", row[2]) for row in untested)


def test_every_claim_s_test_is_named() -> None:
    """No test of the suite is left out whose name is a claim's."""
    named = set(re.findall(r"`(test_\w+)`", read(PAGE)))
    assert {name for name in names_below(ROOT / "suites" / "resilience") if re.match(r"test_c\d", name)} <= named


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_s_page_has_the_command_of_its_experiment(name: str) -> None:
    """The experiment is there, and the page says how its figures come about."""
    assert (ROOT / "suites" / "experiments" / f"{name}.yaml").is_file()
    assert f"brownout run {name} --world simulation --seed 1" in read(DOCS / "incidents" / f"{name}.md")
