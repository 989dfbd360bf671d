"""`report.html`: the page and its parts. `write` is what the entry point names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _some_home() -> Iterator[None]:
    """Bokeh looks for settings in the user's home when it is imported, and fails for a user without one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.devnull
        try:
            yield
        finally:
            del os.environ["HOME"]
    else:
        yield


with _some_home():
    from brownout.reports.html.page import write

__all__ = ["write"]
