"""A vendor's own state on a node: what it keeps, publishes and answers to other nodes.

A role keeps what both vendors share. What only one of them has (IAM's principals and policies, say) is an *annex* of the
node, and the core carries it without looking into it. Each kind of work comes under the vendor's name: durable records as
`VENDOR:NAME`, requests of other nodes below `/_brownout/VENDOR`, control requests below `/_brownout/admin/VENDOR`. Which
annexes a role has is decided in brownout.identity.roles alone.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, ValuesView
from typing import Any, ClassVar

from brownout.identity.core.holds import HoldSet, Switch
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served


class TellsState:
    """A part of a node that has a part in `GET /admin/state`: its role, or a vendor's annex of it."""

    def state(self) -> Json:
        """What the page shows of it, without secrets: an annex's under the vendor's name."""
        return {}

    def holdings(self) -> Json:
        """Of `state`, at least the versions and keys that it holds or publishes, alike: looks at all nodes read no more."""
        return self.state()


class Annex(TellsState):
    """One vendor's part of one node, whose vendor it names. Each method is what an annex has that has nothing of the kind.

    `vendor` is one word, a name of `StackSpec.vendors`; `switches` are those that the node gets beside its role's own.
    """

    vendor: ClassVar[str]
    switches: Mapping[str, Switch] = {}

    @property
    def ready(self) -> bool:
        """True when it can serve: a node is ready when its role and all its annexes are."""
        return True

    def take_up(self, name: str, record: Json) -> None:
        """Takes up one durable record, which was persisted under `VENDOR:name`, before `start`."""

    async def start(self) -> None:
        """Completes what was taken up; runs once, after the role has started."""

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Work that goes on by itself for as long as the node runs."""
        return ()

    def holdings(self) -> Json:
        return {}

    async def serve(self, request: Request, path: str) -> Served | None:
        """The answer to another node's request for `path` below `/_brownout/VENDOR`; None for any other path."""
        return None

    async def control(self, request: Request, path: str) -> Response | None:
        """The answer to the harness's request for `path` below `/_brownout/admin/VENDOR`; None for any other path."""
        return None


class Annexes:
    """The annexes of one node, by vendor. Their switches are those of `holds` too."""

    def __init__(self, holds: HoldSet) -> None:
        self._holds = holds
        self._known: dict[str, Annex] = {}

    def __contains__(self, vendor: str) -> bool:
        return vendor in self._known

    def __getitem__(self, vendor: str) -> Annex:
        return self._known[vendor]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    @property
    def ready(self) -> bool:
        """True when all of them are."""
        return all(annex.ready for annex in self._known.values())

    def add(self, annex: Annex) -> None:
        """Gives the node an annex, before it starts."""
        assert annex.vendor not in self._known, "a vendor has one annex on a node"
        self._known[annex.vendor] = annex
        self._holds.add(annex.switches)

    async def start(self) -> None:
        """Starts each, once its role has started."""
        for annex in self._known.values():
            await annex.start()

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return tuple(work for annex in self._known.values() for work in annex.background())

    def state(self) -> dict[str, Json]:
        return {vendor: annex.state() for vendor, annex in self._known.items()}

    def holdings(self) -> dict[str, Json]:
        return {vendor: found for vendor, annex in self._known.items() if (found := annex.holdings())}

    def values(self) -> ValuesView[Annex]:
        return self._known.values()

    async def serve(self, request: Request, path: str) -> Served | None:
        """The answer of the annex whose vendor is the first word of `path`; None where there is none."""
        vendor = path.split("/")[1]
        return await self._known[vendor].serve(request, path[len(vendor) + 1 :]) if vendor in self._known else None

    async def control(self, request: Request, path: str) -> Response | None:
        """The same for a control request, with the path below `/admin`."""
        vendor = path.split("/")[1]
        return await self._known[vendor].control(request, path[len(vendor) + 1 :]) if vendor in self._known else None
