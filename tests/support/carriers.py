"""What a fault can hold, by name, written as short as a test wants it."""

from __future__ import annotations

from brownout.harness.world import Carrier


def link(name: str) -> Carrier:
    """`SOURCE->TARGET`."""
    return Carrier("link", name)


def node(name: str) -> Carrier:
    """A node as a process or container."""
    return Carrier("node", name)


def switch(name: str) -> Carrier:
    """The switches on a node's control plane."""
    return Carrier("control", name)
