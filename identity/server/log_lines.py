"""A node's log. One record is one line and, indented below it, its traceback: what a client sends cannot look like a record.

A client chooses paths, headers and names, which end up in messages and in the texts of exceptions. Control characters in them
are written as escapes, and every further line is indented.
"""

from __future__ import annotations

import logging
import re

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
INDENT = "    "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # all but the line feed


class OneRecordLines(logging.Formatter):
    """Formats a record as one line that begins at the margin and indented lines for the rest."""

    def format(self, record: logging.LogRecord) -> str:
        whole = _CONTROL.sub(lambda found: repr(found.group())[1:-1], super().format(record))
        return whole.replace("\n", f"\n{INDENT}")


def start_logging() -> None:
    """Sends this process's warnings and errors to its standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneRecordLines(FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
