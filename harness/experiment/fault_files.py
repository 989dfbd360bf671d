"""A fault that is named by its file, before it has a package: `./region_cut.py`.

The file is the code of the person who names it, on the command line or in an experiment. An experiment may name files of its
own folder and those below it only, so a file from elsewhere brings no code with it. Undo needs none of this: another process
releases the carriers that are in the ledger, as it does for a package that is not installed any more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from brownout.harness.base.entry_points import place_of
from brownout.harness.errors import UsageError
from brownout.harness.fault import Fault

SUFFIX = ".py"
_HOW = "see docs/writing-a-fault.md"


def is_file_name(kind: str) -> bool:
    """Whether a fault is named by a file."""
    return kind.endswith(SUFFIX)


def beside(kind: str, folder: Path) -> str:
    """The absolute path of a file that an experiment in `folder` names; raises UsageError for one outside of the folder."""
    path = (folder / kind).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UsageError(
            f"{kind} is not below the folder of the experiment", hint="keep the fault's file beside the experiment"
        )
    return str(path)


def fault_in(path: Path) -> type[Fault]:
    """The one fault that the file defines; raises UsageError with file and line where there is none or several."""
    return _fault_in(path.resolve())


@cache
def _fault_in(path: Path) -> type[Fault]:
    module = _run(path)
    found = tuple(_own_faults(module))
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise UsageError(f"{path} is to define one Fault with a kind, and defines {names}", hint=_HOW)
    return found[0]


def _run(path: Path) -> ModuleType:
    name = f"brownout_fault_{path.stem}_{blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"there is no file {path}", hint=_HOW)
    module = sys.modules[name] = module_from_spec(spec)  # before it runs: pydantic looks names of types up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody's own code: it may raise anything
        del sys.modules[name]
        raise UsageError(f"{place_of(error)}{type(error).__name__}: {error}", hint="mend the fault's file") from error
    return module


def _own_faults(module: ModuleType) -> Iterator[type[Fault]]:
    """The faults that the module defines itself; those that it imports are others'."""
    for found in vars(module).values():
        is_fault = isinstance(found, type) and issubclass(found, Fault) and found.__module__ == module.__name__
        if is_fault and isinstance(getattr(found, "kind", None), str):
            yield found
