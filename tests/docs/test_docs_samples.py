"""The page of the samples works when pasted: the sample fails, its change passes, and one's own application gets a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from brownout.harness.scaffold.write import SAMPLES
from support.docs_pages import DOCS, blocks, keys_in, pasted, section

PAGE = DOCS / "samples.md"


@pytest.mark.slow
@pytest.mark.alone
def test_the_page_works_when_pasted(tmp_path: Path) -> None:
    """Its blocks in one shell, in order, print what the page says."""
    foreign = ("PYTEST_", "GITHUB_", "AWS_", "AZURE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": path, "BROWNOUT_HOME": str(tmp_path / "home"), "COLUMNS": "120"}
    script = "\n".join(block.text for block in blocks(PAGE, "sh") if not block.mark.startswith("not run"))
    told = pasted(script, environment, tmp_path)
    printed = [line for block in blocks(PAGE, "text") if block.mark == "printed" for line in block.text.splitlines()]
    assert len(printed) == 3
    for line in printed:
        assert line in told, told
    assert "app.brownout.yaml: no problem found" in told
    assert "Traceback" not in told


def test_the_page_lists_every_sample() -> None:
    """The table of samples is that of `init`."""
    assert keys_in(section(PAGE, "The change that passes")) == {"--sample", *SAMPLES}
