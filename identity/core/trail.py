"""Which nodes served an answer: one header that grows by a hop at every node that it passes.

`x-brownout-trail: node;build;key id;key kind;cache>...`, the outermost node first. An empty part does not apply. A node that
answers by AWS's account adds the account's version as a sixth part. A node that
asked several others, one after the other, names them in that order: who asked whom follows from who has a link to whom.
"""

from __future__ import annotations

from typing import NamedTuple

from brownout.identity.core.messages import TRAIL, Response
from brownout.identity.core.topology import NodeName

HEADER = TRAIL


PARTS = 6


class Hop(NamedTuple):
    """One node's part in an answer. `cache` is `hit`, `miss`, `stale` (served past its refresh point) or empty.

    `version` is that of AWS's account by which the node answered, after a `+` where its answer made that version.
    """

    node: str
    build: str = ""
    key_id: str = ""
    key_kind: str = ""
    cache: str = ""
    version: str = ""

    def __str__(self) -> str:
        return ";".join(self if self.version else self[:-1])


def of(response: Response) -> str:
    """The trail of an answer, "" if it has none."""
    return response.headers.get(HEADER, "")


def joined(*trails: str) -> str:
    """The trails of what a node asked, one after the other, as one; empty ones are left out."""
    return ">".join(filter(None, trails))


def parse(text: str) -> tuple[Hop, ...]:
    """The hops of a trail, outermost first; an empty trail has none. Raises ValueError for what is no trail."""
    parts = [part.split(";") for part in text.split(">")] if text else []
    if any(len(part) > PARTS for part in parts):
        raise ValueError(f"{text[:100]!r} is no trail: a hop has {PARTS} parts at most")
    return tuple(Hop(*part) for part in parts)


def check(text: str) -> None:
    """Raises ValueError for a trail that names what is no node, or a version that is no number."""
    for hop in parse(text):
        NodeName.parse(hop.node)
        version = hop.version.removeprefix("+")
        if version and not (version.isascii() and version.isdecimal()):
            raise ValueError(f"{hop.version!r} is no version of an account")
