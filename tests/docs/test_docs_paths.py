"""Files, classes and functions that the pages name are where the pages say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from support.docs_pages import DOCS, PAGES, ROOT, keys_in, prose, read, section

DESIGN = DOCS / "design.md"
FOLDERS = ("benchmarks", "compose", "faults", "harness", "identity", "reports", "scripts", "src", "suites", "tests")
_NAMED = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)(?::([\w.]+))?`")


def defined(path: Path) -> set[str]:
    """Names that a module defines, methods as `Class.method`."""
    found = set()
    for node in ast.parse(read(path)).body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{inner.name}" for inner in methods}
    return found


def missing(path: str, name: str) -> str:
    """What is wrong with `path:name`, "" for nothing."""
    target = ROOT / path
    if not target.exists():
        return f"there is no {path}"
    return f"{path} defines no {name}" if name and name not in defined(target) else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """`harness/api.py`, `harness/judge/` and `harness/api.py:run` in code style are files, folders and definitions."""
    assert [problem for path, name in _NAMED.findall(prose(page)) if (problem := missing(path, name))] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("harness/none.py", ""), ("harness/api.py", "none"), ("harness/injection/lifecycle.py", "LifeCycle.none")],
)
def test_a_path_that_is_not_there_is_found(path: str, name: str) -> None:
    """A file, a function and a method that do not exist are named as such."""
    assert missing(path, name)


@pytest.mark.parametrize(("heading", "least"), [("Where to find it", 20), ("Where to add something", 7)])
def test_every_question_is_answered_with_a_path(heading: str, least: int) -> None:
    """Each row of the two tables names a file, most of them a definition in it."""
    rows = [row for row in section(DESIGN, heading).splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= least
    assert [row for row in rows if not _NAMED.search(row)] == []


@pytest.mark.parametrize(("heading", "folder"), [("Layers of the harness", "harness"), ("Layers of the service", "identity")])
def test_every_layer_is_explained(heading: str, folder: str) -> None:
    """The table names each folder and file at the top of the package, and no other."""
    entries = [path for path in (ROOT / folder).iterdir() if not path.name.startswith("__")]
    wanted = {f"{folder}/{path.name}" + "/" * path.is_dir() for path in entries if path.suffix in ("", ".py")}
    assert keys_in(section(DESIGN, heading)) == wanted
