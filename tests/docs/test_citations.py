"""What docstrings and comments cite is in the repository: pages, their headings, numbered claims and invariants."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

from support.docs_pages import DOCS, anchors, read
from support.places import ROOT

FOLDERS = ("benchmarks", "compose", "faults", "harness", "identity", "reports", "scripts", "suites", "tests")
SOURCES = DOCS / "reference" / "sources.md"
_PAGE = re.compile(r"\b(?:docs|reference)/[\w/.-]+\.md(?:#[\w-]+)?")
_UNPUBLISHED = re.compile(r"\b(?:reference (?!to\b)[a-z]+-[a-z-]+|DESIGN|(?:azure|aws)-wire \d|load-slo-report|chaos-peers)")
_NUMBERED = re.compile(r"\b(?:[Cc]laims? )?([CDI]\d{1,2})\b")


@cache
def cited() -> dict[Path, str]:
    """Per file of Python its docstrings and comments."""
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {path: said(path) for path in files if path != Path(__file__)}


def said(path: Path) -> str:
    """The file's docstrings and comments, "" where none of them can cite: most files are spared the tokenizer."""
    text = read(path)
    texts = docstrings(text) if cites(text.replace(r"\n", "\n")) else []
    if any(cites(line[line.index("#") :]) for line in text.splitlines() if "#" in line):
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        texts += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(texts)


def docstrings(text: str) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds))
    return [ast.get_docstring(node) or "" for node in nodes]


def cites(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_PAGE, _UNPUBLISHED, _NUMBERED))


def missing(citation: str) -> str:
    """What is wrong with `docs/page.md#heading`, "" for nothing."""
    path, _, anchor = citation.partition("#")
    page = ROOT / path
    if not page.is_file():
        return f"{path} is not in the repository"
    return f"{path} has no heading #{anchor}" if anchor and anchor not in anchors(page) else ""


def test_every_cited_page_and_heading_exists() -> None:
    """`docs/page.md#heading` in a docstring or comment leads to a page and a heading of this repository."""
    citations = [(path, citation) for path, text in cited().items() for citation in _PAGE.findall(text)]
    assert len(citations) > 20, "the pattern finds what is cited today"
    wrong = {f"{path.relative_to(ROOT)}: {problem}" for path, citation in citations if (problem := missing(citation))}
    assert not wrong


def test_nothing_outside_the_repository_is_cited() -> None:
    """No docstring or comment refers to a document by a name that a reader cannot open."""
    wrong = {f"{path.relative_to(ROOT)}: {found}" for path, text in cited().items() for found in _UNPUBLISHED.findall(text)}
    assert not wrong


def test_every_numbered_claim_is_on_the_page_of_sources() -> None:
    """C14, D3 and I9 of docstrings and comments are rows of the page that says what they mean."""
    known = set(re.findall(r"^\| ([CDI]\d+) \|", read(SOURCES), re.MULTILINE))
    assert {f"C{number}" for number in range(1, 30)} <= known
    wrong = {
        f"{path.relative_to(ROOT)}: {number}"
        for path, text in cited().items()
        for number in _NUMBERED.findall(text)
        if number not in known
    }
    assert not wrong


@pytest.mark.parametrize(
    "citation", ["docs/reference/none.md", "docs/reference/azure-wire.md#no-such-heading", "reference/azure-wire.md"]
)
def test_a_wrong_citation_is_found(citation: str) -> None:
    """A page that is not there, a heading that is not there, and a path that is not from the root."""
    assert _PAGE.findall(f"as IMDS does ({citation})") == [citation]
    assert missing(citation)
