"""Entry points by group: how a package adds something by name without the harness importing it.

Listing a group reads the metadata of all installed packages, which takes milliseconds, and imports none of them. A process
reads it once, for all groups.
"""

from __future__ import annotations

import traceback
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

from brownout.harness.errors import UsageError


@cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """The group's entry points, ordered by name."""
    found: EntryPoints = _every().select(group=group)
    return tuple(sorted(found, key=lambda entry: entry.name))


@cache
def _every() -> Any:  # of a type that differs with Python's version
    return entry_points()


def imported(entry: EntryPoint) -> Any:
    """The object behind an entry point; raises UsageError, with file and line, when it cannot be imported."""
    try:
        return entry.load()
    except Exception as error:  # the code of another package: it may raise anything
        package = entry.dist.name if entry.dist else "an installed package"
        what = f"{type(error).__name__}: {error}"
        problem = f"{entry.group} {entry.name!r} of {package} cannot be imported: {place_of(error)}{what}"
        raise UsageError(problem, hint=f"mend that, or install {package} again") from error


def place_of(error: Exception) -> str:
    """`file:line: ` of where the import failed; "" when nothing of the package was run, as when its module is not there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def _is_machinery(filename: str) -> bool:
    return filename.startswith("<frozen") or "importlib" in filename or filename == __file__
