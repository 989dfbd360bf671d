"""A fault that is named by its file, before it has a package: `./region_cut.py`.

The file is the code of the person who names it, on the command line or in an experiment. An experiment may name files of its
own folder and those below it only, so a file from elsewhere brings no code with it. Undo needs none of this: another process
releases the carriers that are in the ledger, as it does for a package that is not installed any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from brownout.harness.base.users import own_code
from brownout.harness.base.users.own_code import SUFFIX, is_file_name
from brownout.harness.errors import UsageError
from brownout.harness.fault import Fault

__all__ = ["SUFFIX", "beside", "fault_in", "is_file_name"]

_HOW = "`brownout init fault` writes one to begin with"


def beside(kind: str, folder: Path) -> str:
    """The absolute path of a file that an experiment in `folder` names; raises UsageError for one outside of the folder."""
    return own_code.beside(kind, folder, "fault")


def fault_in(path: Path) -> type[Fault]:
    """The one fault that the file defines; raises UsageError with file and line where there is none or several."""
    return _fault_in(path.resolve())


@cache
def _fault_in(path: Path) -> type[Fault]:
    module = own_code.module_of(path, "fault", _HOW)
    found = tuple(_own_faults(module))
    if len(found) != 1:
        names = ", ".join(each.__name__ for each in found) or "none"
        raise UsageError(f"{path} is to define one Fault with a kind, and defines {names}", hint=_HOW)
    return found[0]


def _own_faults(module: ModuleType) -> Iterator[type[Fault]]:
    """The faults that the module defines itself; those that it imports are others'."""
    for found in vars(module).values():
        is_fault = isinstance(found, type) and issubclass(found, Fault) and found.__module__ == module.__name__
        if is_fault and isinstance(getattr(found, "kind", None), str):
            yield found
