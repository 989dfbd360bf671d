"""The page on clients of Azure works as printed, on one stack: azure-identity on every kind of host."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.operate import stacks as standing
from support.docs_pages import DOCS, blocks, pasted

pytestmark = pytest.mark.slow
PAGE = DOCS / "azure.md"
KINDS = 5  # beside IMDS
CREDENTIALS = ("sync", "async", "default")


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A shell with a state folder of its own, without proxies and without settings of Azure's; no stack is left up."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    foreign = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(foreign)
    }
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    yield kept
    for row in standing.stacks():
        asyncio.run(standing.tear_down(row))


def test_the_page_works_as_printed(newcomer: dict[str, str], tmp_path: Path) -> None:
    """Three credentials get a token on each kind of host; the app without an identity of its own and half an answer show."""
    (python,) = blocks(PAGE, "python")
    (tmp_path / "printed.py").write_text(python.text, encoding="utf-8")
    shells = [block for block in blocks(PAGE, "sh") if not block.mark]
    first, kinds, several, broken = [pasted(block.text, newcomer, tmp_path) for block in shells]
    for told, times in ((first, 1), (kinds, KINDS), (broken, 1)):
        got = [line.split()[0] for line in told.splitlines() if line.split()[-1].isdigit() and len(line.split()) == 2]
        assert got == [*CREDENTIALS] * times, told
    assert several.splitlines() == ["Unable to load the proper Managed Identity", '{"access_token":"']
    assert "broken off" in broken
    assert (tmp_path / "half.json").read_text().startswith('{"access_token":"')
    assert not (tmp_path / "half.json").read_text().endswith("}")
    assert standing.stacks() == ()
