"""The holds of links between containers: black holes in the firewall, every other effect in Toxiproxy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from brownout.harness.effects import LinkEffect
from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.worlds.compose.firewall import Firewall
from brownout.harness.worlds.toxiproxy.client import Toxiproxy


class LinkHolds:
    """The holds on the links of one stack; `ports` has Toxiproxy's port of each link.

    `runs` says whether Toxiproxy's container does. Every method raises WorldError, and `release` and `read` CarrierGone when
    it does not: the firewall is in its network and ends with it.
    """

    def __init__(self, toxiproxy: Toxiproxy, firewall: Firewall, ports: Mapping[str, int], *, runs: Callable[[], bool]) -> None:
        self._toxiproxy, self._firewall, self._ports, self._runs = toxiproxy, firewall, ports, runs

    def hold(self, link: str, fault_id: str, effect: LinkEffect) -> Mapping[str, Any]:
        """Adds a hold, or replaces that id's in the one of the two that has it, and returns the report."""
        if effect.effect == "blackhole":
            self._toxiproxy.release(link, fault_id)
            self._firewall.hold(self._ports[link], fault_id, effect.direction)
            return self.read(link)
        self._firewall.release(self._ports[link], fault_id)
        return self._toxiproxy.hold(link, fault_id, effect)

    def release(self, link: str, fault_id: str) -> None:
        """Removes a hold; success also where there is none."""
        with self._told_when_gone():
            self._firewall.release(self._ports[link], fault_id)
            self._toxiproxy.release(link, fault_id)

    def read(self, link: str) -> Mapping[str, Any]:
        """Toxiproxy's report, with the `holds` of both."""
        with self._told_when_gone():
            seen = self._toxiproxy.read(link)
            return {**seen, "holds": {**seen["holds"], **self._firewall.holds(self._ports[link])}}

    @contextmanager
    def _told_when_gone(self) -> Iterator[None]:
        try:
            yield
        except WorldError as error:
            if self._runs():
                raise
            raise CarrierGone("the container of Toxiproxy has ended, and every link with it") from error
