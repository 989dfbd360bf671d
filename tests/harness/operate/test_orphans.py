"""Containers that no ledger knows are named by commands that look, where there is an engine to ask."""

from __future__ import annotations

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.operate import orphans


@pytest.mark.parametrize(("installed", "lines"), [(True, 1), (False, 0)])
def test_orphans_are_named_with_what_takes_them_away(monkeypatch: pytest.MonkeyPatch, installed: bool, lines: int) -> None:
    """One line for each; without Docker the engine is not asked."""
    monkeypatch.setattr(orphans, "_has_docker", lambda: installed)
    monkeypatch.setattr(orphans, "orphans", lambda: ("up-1",))
    found = orphans.orphan_lines()
    assert len(found) == lines
    assert all("up-1" in line and "down --all" in line for line in found)


def test_an_engine_that_does_not_answer_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may have Docker's command and no engine; the doctor says so."""

    def silent() -> tuple[str, ...]:
        raise WorldError("no engine")

    monkeypatch.setattr(orphans, "_has_docker", lambda: True)
    monkeypatch.setattr(orphans, "orphans", silent)
    assert orphans.orphan_lines() == ()
