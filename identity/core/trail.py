"""Which nodes served an answer: one header that grows by a hop at every node that it passes.

`x-brownout-trail: node;build;key id;key kind;cache>...`, the outermost node first. An empty part does not apply. A node that
answers by AWS's account adds the account's version as a sixth part. A node that
asked several others, one after the other, names them in that order: who asked whom follows from who has a link to whom.

The load of a run records the trail of each of its answers itself, and its requests say that they are the load's. Those of a
user's own application are answered to the application: only the nodes see which ways they took (`ClientsSeen`).
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from brownout.identity.core.messages import TRAIL, Request, Response
from brownout.identity.core.topology import NodeName

HEADER = TRAIL
LOAD = "x-brownout-load"  # a header of the load's own requests
PROBE_AGENT = "brownout-probe"  # whose requests are looks
PARTS = 6
MOST_TRAILS = 256
OTHERS = ""  # the trail under which the rest is counted once there are so many


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


class ClientsSeen:
    """The trails of answers to real clients since they were last taken. Off until they are first taken."""

    def __init__(self) -> None:
        self.on = False
        self._trails: Counter[str] = Counter()

    def note(self, request: Request, response: Response) -> None:
        """Counts an answer to a client, unless the client is the load or a probe."""
        headers = request.headers
        if LOAD not in headers and headers.get("user-agent") != PROBE_AGENT:
            self.add(response.headers.get(TRAIL, ""))

    def add(self, trail: str) -> None:
        """Counts a way that is known by its trail."""
        if self.on and trail:
            self._trails[trail if trail in self._trails or len(self._trails) < MOST_TRAILS else OTHERS] += 1
            assert len(self._trails) <= MOST_TRAILS + 1, "what is counted is bounded"

    def take(self) -> dict[str, int]:
        """What was counted since the last time; counts from now on."""
        taken, self._trails = dict(self._trails), Counter()
        self.on = True
        assert all(number > 0 for number in taken.values()), "only what was seen is counted"
        return taken
