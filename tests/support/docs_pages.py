"""Pages as data: their fenced blocks with the marks above them, their sections, headings, links and tables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.places import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))

_FENCE = re.compile(r"(?:^<!-- ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `mark` is the comment right above it."""

    mark: str
    language: str
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> tuple[Block, ...]:
    """The page's fenced blocks of one language, in order."""
    found = (Block(mark, kind, text) for mark, kind, text in _FENCE.findall(read(page)))
    return tuple(block for block in found if block.language == language)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", read(page))


def anchors(page: Path) -> set[str]:
    """What `#...` of a link to the page may be."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def links(page: Path) -> tuple[str, ...]:
    return tuple(_LINK.findall(prose(page)))


def section(page: Path, heading: str) -> str:
    """What stands below a heading up to the next one of any level."""
    parts = re.split(r"^#{1,6} (.+)$", read(page), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return found[heading]


def keys_in(text: str) -> set[str]:
    """The words in code style in the first column of the text's tables."""
    first = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    return {word for cell in first for word in re.findall(r"`([^`]+)`", cell)}


def pasted(script: str, environment: Mapping[str, str], folder: Path) -> str:
    """What the script prints, on either stream; every command of it is tried."""
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return done.stdout
