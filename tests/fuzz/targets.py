"""What can be fuzzed, by the name that the command takes."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import Protocol, cast

from fuzz.nodes import NodeTarget
from fuzz.stack import SURFACES

MACHINERY = ("machinery.state", "machinery.toxiproxy", "machinery.doors", "machinery.supervisor")
MODULES = ("files", "commands", "folders", "parsers", "sockets", *MACHINERY)
TARGETS: tuple[str, ...] = (*MODULES, *SURFACES)


class Target(Protocol):
    """One surface."""

    def attempt(self, draw: random.Random, work: Path) -> tuple[object, str]:
        """What was made by the seed, and which promise was broken; "" for none."""
        ...


def target_of(name: str) -> Target:
    """A fresh target: one of nodes has a stack of its own."""
    return NodeTarget(name) if name in SURFACES else cast(Target, importlib.import_module(f"fuzz.{name}"))
