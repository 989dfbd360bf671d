"""The application on its page is put under test as the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.api import Options, prepare, run
from brownout.harness.experiment.loader import load
from support.docs_pages import DOCS, blocks

PAGE = DOCS / "your-application.md"


def written(folder: Path) -> Path:
    """The files of the page, in a folder."""
    (program,) = blocks(PAGE, "python")
    (experiment,) = blocks(PAGE, "yaml")
    (folder / "app.py").write_text(program.text, encoding="utf-8")
    (folder / "orders.yaml").write_text(experiment.text, encoding="utf-8")
    return folder / "orders.yaml"


def test_the_printed_experiment_is_sound(tmp_path: Path) -> None:
    """It could be run in the world that the page names."""
    assert prepare(load(written(tmp_path)), Options(world="processes")).experiment.subject is not None


@pytest.mark.slow
@pytest.mark.alone
def test_the_printed_application_breaches_as_the_page_says(tmp_path: Path) -> None:
    """Its own calls met the fault, and its record is beside the verdict."""
    outcome = run(load(written(tmp_path)), Options(world="processes", out=tmp_path / "runs"))
    result = outcome.result
    assert result.verdict == "breach", (result.reasons, [gate for gate in result.gates if not gate.passed])
    assert [(slo.name, slo.exposure) for slo in result.slos] == [("customers are served", "met")]
    assert result.subject is not None
    assert result.subject.judges(result.slos[0])
    assert "no token" in (outcome.folder / "subject.log").read_text(encoding="utf-8")
