"""Lines: the lives of a directory that some content goes back to, and how far into each.

Theory. Versions order the changes of one life. They cannot order two: a directory that comes back with an empty disk, or with
an older copy of its own, gives out versions that an earlier life gave out for something else. So each life has a name of its
own, its *line*, and what is published names every line that its content goes back to: `LIFE@VERSION` for an earlier life of
which everything up to that version is in it, and at last `LIFE`, the one that publishes. What a node holds of life L at
version V is contained in an offer that names `L@W` with W of at least V. An offer that does not has lost something, and is a
stranger's.

Laws. A life begins by closing the one before at what its disk holds, never at a version that was only reserved. A directory
that learns from a replica names that replica's lines, the newest closed at the replica's version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LifeLines = tuple[str, ...]


def begun(lines: LifeLines, life: str, reached: int) -> LifeLines:
    """The lines of a new life that goes on from `lines`, of whose newest the disk holds everything up to `reached`."""
    assert "@" not in life, "a life's name is no closed line"
    return (*_closed(lines, reached), life)


def learned(own: LifeLines, theirs: LifeLines, version: int) -> LifeLines:
    """The lines of a life that took over content of `theirs` at `version`: of a life that both know the later end counts."""
    *before, life = own
    return (*_joined((*before, *_closed(theirs, version))), life)


def contains(offered: Sequence[str], held: Sequence[str], version: int) -> bool:
    """Whether an offer goes back to everything that is held, which is at `version` of its newest life.

    An offer of that very life does whatever its own version is: versions order what comes of one life.
    """
    if not held or not offered:
        return True  # nothing is held, or the offer is from before there were lines
    life, _ = _ends(held[-1])
    if _ends(offered[-1])[0] == life:
        return True
    return _reached(offered).get(life, -1) >= version


def _closed(lines: Sequence[str], reached: int) -> LifeLines:
    """The lines with the newest closed, if it is not."""
    if not lines or "@" in lines[-1]:
        return tuple(lines)
    return (*lines[:-1], f"{lines[-1]}@{reached}")


def _joined(lines: Sequence[str]) -> LifeLines:
    return tuple(f"{life}@{reached}" for life, reached in _reached(lines).items())


def _reached(lines: Sequence[str]) -> Mapping[str, int]:
    """How far into each closed life the lines go."""
    found: dict[str, int] = {}
    for line in lines:
        life, reached = _ends(line)
        found[life] = max(found.get(life, reached), reached)
    return found


def _ends(line: str) -> tuple[str, int]:
    """A line's life and the version up to which it goes, 0 for one that is open."""
    life, _, reached = line.partition("@")
    return life, int(reached or 0)
