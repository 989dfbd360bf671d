"""Where the holds of a live world's links and nodes are stored: one store for each kind of carrier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from brownout.harness.effects import LinkEffect, NodeEffect

E = TypeVar("E", LinkEffect, NodeEffect, contravariant=True)


class CarrierHolds(Protocol[E]):
    """The holds of all links, or of all nodes, of one stack. Calls block; every method raises WorldError."""

    def hold(self, name: str, fault_id: str, effect: E, /) -> Mapping[str, Any]:
        """Adds a hold, or replaces that id's, and returns the report once it is in force."""
        ...

    def release(self, name: str, fault_id: str, /) -> object:
        """Removes a hold; success also where there is none."""
        ...

    def read(self, name: str, /) -> Mapping[str, Any]:
        """The report, with its `holds`."""
        ...


class NodeStore(CarrierHolds[NodeEffect], Protocol):
    """The holds of all nodes of one stack."""

    def resume_command(self, node: str, report: Mapping[str, Any], /) -> str:
        """What a person types to continue a node that something else stopped; `report` is the node's."""
        ...
