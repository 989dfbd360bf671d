"""Client models that a package brings, installed for one test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.printed_client import forget_models, install_model, printed_blocks

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(module, source, name="OBJECT")` makes a package visible; returns the folder that is on the path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def made(module: str, source: str, **names: str) -> Path:
        monkeypatch.delitem(sys.modules, module, raising=False)
        install_model(site, module, source, **names)
        forget_models()
        return site

    yield made
    monkeypatch.undo()
    forget_models()


@pytest.fixture
def keyset(install: Install) -> Path:
    """The page's client model, installed as `keyset`; the folder that is on the path."""
    return install("made_up_keyset", printed_blocks()[0], keyset="KEYSET")
