"""Entry points by group: how a package adds something by name without the harness importing it.

Listing a group reads the metadata of installed packages and imports none of them.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from brownout.harness.errors import UsageError


def installed(group: str) -> tuple[EntryPoint, ...]:
    """The group's entry points, ordered by name."""
    return tuple(sorted(entry_points(group=group), key=lambda entry: entry.name))


def imported(entry: EntryPoint) -> Any:
    """The object behind an entry point; raises UsageError when it cannot be imported."""
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        package = entry.dist.name if entry.dist else "an installed package"
        raise UsageError(
            f"{entry.group} {entry.name!r} of {package} cannot be imported: {error}", hint=f"install {package} again"
        ) from error
