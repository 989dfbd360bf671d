"""Which nodes served an answer: one header that grows by a hop at every node that it passes.

`x-brownout-trail: node;build;key id;key kind;cache>...`, the outermost node first. An empty part does not apply. A node that
answers by AWS's account adds the account's version as a sixth part. A node that
asked several others, one after the other, names them in that order: who asked whom follows from who has a link to whom.
"""

from __future__ import annotations

from typing import NamedTuple

from brownout.identity.core.messages import TRAIL, Response

HEADER = TRAIL


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
    """The hops of a trail, outermost first; an empty trail has none."""
    return tuple(Hop(*part.split(";")) for part in text.split(">")) if text else ()
