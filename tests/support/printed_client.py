"""The client model of docs/writing-a-client-model.md, as printed and as a package that is installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from brownout.harness.base import entry_points
from brownout.harness.load.models import registry
from support.places import DOCS

PAGE = DOCS / "writing-a-client-model.md"


def printed_blocks(page: Path = PAGE) -> list[str]:
    """The page's Python blocks: what it is about, then its test."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def printed_names() -> dict[str, Any]:
    """What the page's Python blocks define, run in order in one module."""
    names: dict[str, Any] = {"__name__": "printed"}
    for block in printed_blocks():
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    return names


def install_model(site: Path, module: str, source: str, **names: str) -> Path:
    """Makes a package in `site` that brings client models, `name="OBJECT"`; it is installed once `site` is on the path."""
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{registry.GROUP}]", *(f"{name} = {module}:{value}" for name, value in names.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return site


def forget_models() -> None:
    """Has the registry look at what is installed again."""
    entry_points.installed.cache_clear()
    entry_points._every.cache_clear()
    registry._entries.cache_clear()
    registry.client_model.cache_clear()
