"""Puts a change into a process that has imported the project already: the changed functions get their new code.

What runs while modules are imported (constants, defaults, classes, decorators) cannot be changed so.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType

from support.places import ROOT

Key = tuple[str, str, int]  # the file in the checkout, the qualified name, the first line
Functions = Mapping[Key, tuple[FunctionType, ...]]


def functions(files: frozenset[str]) -> Functions:
    """All functions of these files that live in this process, methods and wrapped ones among them."""
    names: dict[str, str | None] = {}
    found: dict[Key, tuple[FunctionType, ...]] = {}
    gc.unfreeze()  # frozen objects are not listed
    for one in gc.get_objects():
        if type(one) is not FunctionType:
            continue
        code = one.__code__
        if code.co_filename not in names:
            names[code.co_filename] = _in_checkout(code.co_filename, files)
        name = names[code.co_filename]
        if name is not None:
            key = (name, code.co_qualname, code.co_firstlineno)
            found[key] = (*found.get(key, ()), one)
    gc.freeze()
    return found


def _in_checkout(filename: str, files: frozenset[str]) -> str | None:
    path = Path(filename).resolve()
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
    return name if name in files else None


def swapped(path: str, old: bytes, new: bytes, known: Functions) -> bool:
    """Whether this process now runs `new` in place of `old`; False, with nothing changed, when that takes an import."""
    before, after = (compile(each, path, "exec", dont_inherit=True) for each in (old, new))
    if _without_functions(before) != _without_functions(after):
        return False
    pairs = list(zip(_functions(before), _functions(after), strict=True))
    changed = [(known.get((path, one.co_qualname, one.co_firstlineno), ()), one, two) for one, two in pairs if one != two]
    if not changed or not all(mine and one.co_freevars == two.co_freevars for mine, one, two in changed):
        return False
    for mine, _, code in changed:
        for each in mine:
            each.__code__ = code
    return True


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Those of a module and its classes; what is defined within a function belongs to its code."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED:
                yield each
            else:
                yield from _functions(each)


def _without_functions(code: CodeType) -> tuple[object, ...]:
    """What a module or class does when it is imported."""
    inside = tuple(
        (each.co_qualname if each.co_flags & inspect.CO_OPTIMIZED else _without_functions(each))
        if isinstance(each, CodeType)
        else (type(each), each)
        for each in code.co_consts
    )
    return (code.co_name, code.co_code, code.co_names, inside)
