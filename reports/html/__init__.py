"""`report.html`: the page and its parts. `write` is what the entry point names."""

from __future__ import annotations

from brownout.reports.html.page import write

__all__ = ["write"]
