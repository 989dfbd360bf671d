"""A change that is put into the running process is the change of the file; what cannot be put there is left to an import."""

from __future__ import annotations

import inspect
from types import FunctionType, ModuleType

import pytest

from mutation.swap import Functions, functions, swapped

SOURCE = """
LIMIT = 3


def judged(bad, most=LIMIT):
    return [one for one in bad if one <= most]


class Share:
    base = 10

    def of(self, total):
        def inside():
            return self.base < total

        return inside()

    @property
    def half(self):
        return self.base / 2
"""


def loaded() -> tuple[ModuleType, Functions]:
    """The source as a module, and its functions as `functions` lists them."""
    module = ModuleType("shares")
    exec(compile(SOURCE, "a.py", "exec"), module.__dict__)
    mine: list[FunctionType] = [module.judged, module.Share.of, module.Share.half.fget]
    return module, {("a.py", one.__code__.co_qualname, one.__code__.co_firstlineno): (one,) for one in mine}


@pytest.mark.parametrize(
    ("old", "new", "asked", "before", "after"),
    [
        ("one <= most", "one < most", lambda module: module.judged([2, 3]), [2, 3], [2]),
        ("self.base < total", "self.base >= total", lambda module: module.Share().of(10), False, True),
        ("self.base / 2", "(self.base * 2)", lambda module: module.Share().half, 5, 20),
    ],
)
def test_functions_methods_and_what_is_within_them_run_the_change(old, new, asked, before, after):
    """Those that others hold already, such as a property, run it too."""
    module, known = loaded()
    assert asked(module) == before
    changed = SOURCE.replace(old, new)
    assert swapped("a.py", SOURCE.encode(), changed.encode(), known)
    assert asked(module) == after


@pytest.mark.parametrize(
    ("old", "new"),
    [("LIMIT = 3", "LIMIT = 4"), ("base = 10", "base = 11"), ("most=LIMIT", "most=4"), ("@property", "@staticmethod")],
)
def test_what_runs_at_import_is_not_swapped(old, new):
    """Constants, what a class has, defaults and decorators: nothing is changed, and that is said."""
    module, known = loaded()
    assert not swapped("a.py", SOURCE.encode(), SOURCE.replace(old, new).encode(), known)
    assert module.judged([2, 3, 4]) == [2, 3]


def test_a_function_that_is_not_known_is_left_to_an_import():
    """One that ran while modules were imported is not among the known ones."""
    _, known = loaded()
    without = {key: mine for key, mine in known.items() if key[1] != "judged"}
    changed = SOURCE.replace("one <= most", "one < most").encode()
    assert not swapped("a.py", SOURCE.encode(), changed, without)


def test_functions_of_the_project_are_found_where_they_are():
    """By the file in the checkout, though it was imported through a link."""
    from brownout.harness.judge.verdict import Judged, overall

    found = functions(frozenset({"harness/judge/verdict.py"}))
    for one in (overall, Judged.planned.fget):
        line = inspect.unwrap(one).__code__.co_firstlineno
        assert one in found["harness/judge/verdict.py", one.__qualname__, line]
    assert {path for path, _, _ in found} == {"harness/judge/verdict.py"}
