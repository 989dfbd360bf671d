"""The survivors that the docs explain: rows of the tables in docs/mutants.md, by the text of the change."""

from __future__ import annotations

import re
from collections.abc import Mapping

from support.places import DOCS

PAGE = DOCS / "mutants.md"
_ROW = re.compile(r"^\| `(?P<change>[\w./]+:[\w.]+: .*?)` \| (?P<why>[^|]+) \|$", re.MULTILINE)


def explained(page: str | None = None) -> Mapping[str, str]:
    """The reason by change, as `Edit.text` tells it; a `|` in a change is written `\\|` in a table."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    return {match["change"].replace("\\|", "|"): match["why"].strip() for match in _ROW.finditer(text)}
