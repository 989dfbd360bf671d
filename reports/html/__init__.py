"""`report.html`: the page and its parts. `write` is what the entry point names."""

from brownout.reports.html.page import write

__all__ = ["write"]
