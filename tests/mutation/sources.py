"""What a file of tests depends on, apart from what is mutated: its own modules, their support, and the data that it reads.

Modules are followed by their imports, from the file of tests and the `conftest.py` of its folders through all that is in
`tests/`. Data are the files that were opened while its tests ran; of the folder of each the names count too, because tests are
made of a folder's files. What is opened while tests are collected is not known: a change of that is seen where it changes the
tests themselves. Code of the project that is not in scope does not count either.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from support.places import ROOT, TESTS

_NO_DATA = (".", "__pycache__")  # hidden folders and bytecode


def modules(test_file: str) -> frozenset[str]:
    """The files of tests and of support that it consists of, relative to the checkout."""
    path = ROOT / test_file
    found: set[Path] = set()
    ahead = {path, *(folder / "conftest.py" for folder in path.parents if folder.is_relative_to(TESTS))}
    while ahead:
        one = ahead.pop()
        if one not in found and one.exists():
            found.add(one)
            ahead |= _imported(one)
    return frozenset(str(each.relative_to(ROOT)) for each in found)


@cache
def _imported(path: Path) -> frozenset[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return frozenset(place for name in names for place in _places(name))


def _places(name: str) -> Iterator[Path]:
    """A module's file, and those of the packages that it is in."""
    at = TESTS
    for part in name.split("."):
        at /= part
        yield from (each for each in (at.with_suffix(".py"), at / "__init__.py") if each.is_file())


def data(opened: Iterable[str]) -> frozenset[str]:
    """Those of the opened files that are data of this checkout, relative to it."""
    found = set()
    for path in {Path(name).resolve() for name in opened}:
        if path.is_relative_to(ROOT) and path.suffix != ".py" and path.is_file():
            name = path.relative_to(ROOT)
            if not any(part.startswith(_NO_DATA) for part in name.parts):
                found.add(str(name))
    return frozenset(found)


def digest(names: Iterable[str], read: Iterable[str], in_scope: Iterable[str]) -> str:
    """Of these files, of the data read, of the names beside each of those, and of which files are in scope."""
    seen = hashlib.sha256(" ".join(in_scope).encode())
    for name in sorted({*names, *read}):
        seen.update(f"{name} {_content(ROOT / name)}\n".encode())
    for folder in sorted({(ROOT / name).parent for name in read}):
        seen.update(f"{folder.relative_to(ROOT)} {' '.join(_names(folder))}\n".encode())
    return seen.hexdigest()


@cache
def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@cache
def _names(folder: Path) -> tuple[str, ...]:
    return (
        tuple(sorted(each.name for each in folder.iterdir() if not each.name.startswith(_NO_DATA))) if folder.exists() else ()
    )
