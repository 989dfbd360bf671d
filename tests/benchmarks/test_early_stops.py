"""The table of early stops on the page of statistics is the one that the command prints."""

from __future__ import annotations

from benchmarks.early_stops import table
from support.docs_pages import DOCS


def test_the_page_shows_what_the_command_prints() -> None:
    """Whoever runs `python -m benchmarks.early_stops` sees the page's figures."""
    assert table() in (DOCS / "reference" / "statistics.md").read_text(encoding="utf-8")
