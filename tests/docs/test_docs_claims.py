"""The page on claims about the system, carried out as printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from brownout.harness.record.comparison import ComparedRow
from brownout.harness.record.verdicts import VERDICTS
from support.docs_pages import DOCS, blocks, keys_in, pasted, section

PAGE = DOCS / "claims-about-the-system.md"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A newcomer's shell with these commands on its path and an empty state folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BROWNOUT_HOME": str(tmp_path / "home"), "COLUMNS": "100"}


@pytest.mark.slow
def test_the_page_works_when_pasted(environment: dict[str, str], tmp_path: Path) -> None:
    """Its experiment and its commands, in order, print what the page says."""
    (experiment,) = blocks(PAGE, "yaml")
    (tmp_path / experiment.mark).write_text(experiment.text, encoding="utf-8")
    told = " ".join(pasted("\n".join(block.text for block in blocks(PAGE, "sh")), environment, tmp_path).split())
    printed = [block.text for block in blocks(PAGE, "text") if block.mark == "printed"]
    assert len(printed) == 2
    for line in "".join(printed).splitlines():
        assert " ".join(line.split()) in told, (line, told)
    assert "Traceback" not in told


def test_every_verdict_is_explained() -> None:
    """Those of a series, and those of a comparison's row."""
    assert keys_in(section(PAGE, "What the verdict rests on")) == set(VERDICTS)
    rows = set(ComparedRow.model_json_schema()["properties"]["verdict"]["enum"])
    assert keys_in(section(PAGE, "Comparing two systems")) == rows
