"""The error tables of docs/reference/azure-wire.md, read as data: a table with a status and a code or words is one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from support.azure_errors.rows import ErrorRow
from support.docs_pages import DOCS, read

PAGE = DOCS / "reference" / "azure-wire.md"
CODES, TEXTS = ("code", "error"), ("error_description", "message")
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class DocumentedError:
    """One error of a table. `status` may be 4xx or 5xx; no code means any; `text` is what the words contain, "" for any."""

    section: str
    status: str
    code: str | None
    text: str

    def allows(self, row: ErrorRow) -> bool:
        """True for a row that is this error, whatever its words."""
        is_status = re.fullmatch(self.status.replace("x", r"\d"), str(row.status)) is not None
        return row.section == self.section and is_status and self.code in (None, row.code)

    def is_shown_by(self, row: ErrorRow) -> bool:
        return self.allows(row) and self.text in row.text


def documented_errors() -> tuple[DocumentedError, ...]:
    """All errors of all tables, one for each status, code and text that a line names."""
    section, found, columns = "", list[DocumentedError](), list[str]()
    for line in read(PAGE).splitlines():
        if line.startswith("#"):
            section = line.lstrip("#").strip()
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            columns = []
        elif not columns:
            columns = [cell.strip("`") for cell in cells]
        elif not set(line) <= set("|-") and "status" in columns and {*CODES, *TEXTS} & set(columns):
            found += _errors(section, dict(zip(columns, cells, strict=True)))
    return tuple(found)


def _errors(section: str, cells: dict[str, str]) -> Iterable[DocumentedError]:
    statuses = [status.strip() for status in cells["status"].split(",")]
    codes: list[str | None] = [*_quoted(cells, CODES)] or [None]
    if "number" in cells:
        codes = [f"{number.strip()} {code}" for number, code in product(cells["number"].split(","), codes)]
    inner = [*_quoted(cells, ("inner code",))] or [""]
    codes = [None if code is None else f"{code} {more}".strip() for code, more in product(codes, inner)]
    texts = [*_quoted(cells, TEXTS)] or [""]
    return (DocumentedError(section, *each) for each in product(statuses, codes, texts))


def _quoted(cells: dict[str, str], columns: Iterable[str]) -> list[str]:
    return [text for column in columns for text in _QUOTED.findall(cells.get(column, ""))]


def not_shown(rows: Iterable[ErrorRow]) -> list[DocumentedError]:
    """The documented errors that no row shows. Where a table has words for some of a code's cases, its other case needs
    a row of its own, with other words."""
    errors, kept = documented_errors(), tuple(rows)
    return [
        error for error in errors if not any(error.is_shown_by(row) and not _is_another(error, row, errors) for row in kept)
    ]


def _is_another(error: DocumentedError, row: ErrorRow, errors: tuple[DocumentedError, ...]) -> bool:
    """True when the row shows an error with words, and `error` is the one of the same code without."""
    return not error.text and any(each.text and each.code == error.code and each.is_shown_by(row) for each in errors)
