"""The table of wrong verdicts is the one on the pages, and shows what the exact bounds are for."""

from __future__ import annotations

import pytest

from benchmarks.wrong_verdicts import errors, table, wilson_high, wilson_low
from support.docs_pages import DOCS


@pytest.mark.parametrize("page", ["reading-a-verdict.md", "reference/statistics.md"])
def test_the_pages_show_what_the_command_prints(page: str) -> None:
    """Whoever runs `python -m benchmarks.wrong_verdicts` sees the page's figures."""
    assert table() in (DOCS / page).read_text(encoding="utf-8")


def test_approximate_bounds_break_their_promise() -> None:
    """The control: Wilson's bounds call a fifth of the runs of 223 requests a breach of 99.9 % that there is not."""
    assert errors(223, 0.999, wilson_low, wilson_high).breached == pytest.approx(0.2, abs=0.001)
