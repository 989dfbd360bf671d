"""The holds of links between containers: black holes in the firewall, every other effect in Toxiproxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.harness.effects import LinkEffect
from brownout.harness.worlds.compose.firewall import Firewall
from brownout.harness.worlds.toxiproxy.client import Toxiproxy


class LinkHolds:
    """The holds on the links of one stack; `ports` has Toxiproxy's port of each link. Every method raises WorldError."""

    def __init__(self, toxiproxy: Toxiproxy, firewall: Firewall, ports: Mapping[str, int]) -> None:
        self._toxiproxy, self._firewall, self._ports = toxiproxy, firewall, ports

    def hold(self, link: str, fault_id: str, effect: LinkEffect) -> Mapping[str, Any]:
        """Adds a hold, or replaces that id's, in whichever of the two it was, and returns the report."""
        if effect.effect == "blackhole":
            self._toxiproxy.release(link, fault_id)
            self._firewall.hold(self._ports[link], fault_id, effect.direction)
            return self.read(link)
        self._firewall.release(self._ports[link], fault_id)
        return self._toxiproxy.hold(link, fault_id, effect)

    def release(self, link: str, fault_id: str) -> None:
        """Removes a hold; success also where there is none."""
        self._firewall.release(self._ports[link], fault_id)
        self._toxiproxy.release(link, fault_id)

    def read(self, link: str) -> Mapping[str, Any]:
        """Toxiproxy's report, with the `holds` of both."""
        seen = self._toxiproxy.read(link)
        return {**seen, "holds": {**seen["holds"], **self._firewall.holds(self._ports[link])}}
