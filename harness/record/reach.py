"""Which requests a fault concerns, in terms of what a request's record shows: the nodes and links of its trail, its machine.

A fault acts on carriers; many of them no request ever names (a deployer's switch, the way of a snapshot). Its *reach* says what
stands for them in a trail. It is recorded with each step, because a run is judged by its record alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from brownout.identity.core.topology import DIRECTORY, MANAGEMENT, TOKEN, VAULT, Link, NodeName

REPLICATED = frozenset({TOKEN, MANAGEMENT, VAULT})  # the roles that answer from a replica, which the directory feeds


@dataclass(frozen=True, slots=True)
class Reach:
    """A request is concerned when it goes over one of `links`, or is served by one of `nodes`.

    What one of `replicas` answers is concerned too, as the fault keeps that node's replica from being fed; the replica itself
    spares a request that it can answer. `keys` (ids or kinds) narrows `nodes` to requests which a node served with such a store
    key, `machines` all to requests of these machines; empty means all.
    """

    links: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()

    @classmethod
    def of_carriers(cls, carriers: Iterable[str]) -> Reach:
        """The reach of carriers by their texts (`link:SOURCE->TARGET`, `node:NAME`, `control:NAME`).

        A node's switch concerns what the node serves. A link from the directory to a replica carries no request: it concerns
        what is answered from that replica.
        """
        links: dict[str, None] = {}
        nodes: dict[str, None] = {}
        replicas: dict[str, None] = {}
        for text in carriers:
            kind, _, name = text.partition(":")
            if kind != "link":
                nodes[name] = None
            elif feeds_replica(name):
                replicas[Link.parse(name).target] = None
            else:
                links[name] = None
        return cls(links=tuple(links), nodes=tuple(nodes), replicas=tuple(replicas))

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Reach:
        """From what `to_json` made."""
        return cls(**{each.name: tuple(map(str, state.get(each.name, ()))) for each in fields(cls)})

    def to_json(self) -> dict[str, list[str]]:
        """The parts that are not empty."""
        return {each.name: list(value) for each in fields(self) if (value := getattr(self, each.name))}

    def __str__(self) -> str:
        places = (*self.links, *self.nodes, *(f"the replica of {node}" for node in self.replicas))
        text = ", ".join(places[:2]) + (f" and {len(places) - 2} more" if len(places) > 2 else "")
        keys = f" with key {', '.join(self.keys)}" if self.keys else ""
        machines = f" for {', '.join(self.machines)}" if self.machines else ""
        return f"{text}{keys}{machines}" if places else "nothing that serves a request"


def feeds_replica(link: str) -> bool:
    """Whether the directory publishes over the link: it leads to a node that answers from a replica."""
    parsed = Link.parse(link)
    return parsed.source.endswith(f".{DIRECTORY}") and NodeName.parse(parsed.target).role in REPLICATED
