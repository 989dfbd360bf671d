"""Words that make a reader look twice do not grow back on the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.docs_pages import PAGES, ROOT, prose

_MADE = re.compile(
    r"^<!-- (?:fidelity: begin|matrix: begin|figures).*?(?=^<!-- (?:fidelity|matrix): end|\Z)", re.MULTILINE | re.DOTALL
)  # by commands
_CODE = re.compile(r"`[^`]*`")
_INSTEAD = {
    r"whoever|nobody|somebody|everybody|anybody": "name the actor: the client, the operator, the node",
    r"is told|are told|was told|were told": "say which information goes where",
    r"is gone|are gone|was gone": "ended, removed, released, no longer seen",
    r"kept by": "owned by, or stored in",
    r"fence": "fenced by epoch, in the ledger only; the container is the firewall",
}


def found(text: str) -> list[str]:
    """Each unwanted word in the text, with what to write instead."""
    plain = _CODE.sub("", _MADE.sub("", text))
    return [
        f"{hit.group()}: {advice}"
        for words, advice in _INSTEAD.items()
        for hit in re.finditer(rf"\b(?:{words})\b", plain, re.I)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_who_does_what(page: Path) -> None:
    """Sentences have the field's noun as their subject. Tables that commands write are not looked at."""
    allowed = {"fence: " + _INSTEAD["fence"]} if page.name == "glossary.md" else set()
    assert [line for line in found(prose(page)) if line not in allowed] == []


def test_unwanted_words_are_found() -> None:
    """In any case, but not in code."""
    assert len(found("Nobody is told. `nobody`")) == 2
