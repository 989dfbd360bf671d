"""Entry points by group, and how often the metadata of what is installed is read for them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from brownout.harness.base import entry_points

FOUND = EntryPoints(
    [EntryPoint("b", "made_up:B", "one"), EntryPoint("a", "made_up:A", "one"), EntryPoint("a", "made_up:C", "two")]
)


def test_what_is_installed_is_read_once_for_all_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group has its own, ordered by name."""
    looks: list[EntryPoints] = []

    def look() -> EntryPoints:
        looks.append(FOUND)
        return FOUND

    monkeypatch.setattr(entry_points, "entry_points", look)
    for name in ("_every", "installed"):  # with nothing remembered, and nothing to be remembered by others
        monkeypatch.setattr(entry_points, name, cache(getattr(entry_points, name).__wrapped__))
    named = {group: [(each.name, each.value) for each in entry_points.installed(group)] for group in ("one", "two", "none")}
    assert named == {"one": [("a", "made_up:A"), ("b", "made_up:B")], "two": [("a", "made_up:C")], "none": []}
    assert len(looks) == 1
