"""The worlds by name: what each can do, and where its class is. Nothing of a world is imported before somebody asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from brownout.harness.errors import AbilityMissing, UsageError, WorldError
from brownout.harness.world import LiveWorld

SIMULATION, PROCESSES, COMPOSE = "simulation", "processes", "compose"
_EVERYWHERE = frozenset({"link:refuse", "link:reset", "link:stall", "link:slow", "node:down", "node:paused", "control", "load"})
_IN_CONTAINERS = frozenset(
    {"link:blackhole", "node:stopped", "node:restarted", "node:wiped", "node:old-image", "node:disconnected"}
)


@dataclass(frozen=True, slots=True)
class WorldKind:
    """One world. `entry` is `module:Class` of a `LiveWorld`, empty for the simulation, which lives inside a run."""

    name: str
    abilities: frozenset[str]
    entry: str = ""


WORLDS: Mapping[str, WorldKind] = {
    kind.name: kind
    for kind in (
        WorldKind(SIMULATION, _EVERYWHERE),
        WorldKind(PROCESSES, _EVERYWHERE, "brownout.harness.worlds.processes.world:ProcessesWorld"),
        WorldKind(COMPOSE, _EVERYWHERE | _IN_CONTAINERS, "brownout.harness.worlds.compose.world:ComposeWorld"),
    )
}
LIVE = tuple(name for name, kind in WORLDS.items() if kind.entry)


def live_world(name: str) -> type[LiveWorld]:
    """The class of a world that outlives a command; raises UsageError for any other name, WorldError when it cannot load."""
    kind = WORLDS.get(name)
    if kind is None or not kind.entry:
        raise UsageError(f"{name!r} is no world whose stacks stay up", hint=f"these are: {', '.join(LIVE)}")
    module, _, attribute = kind.entry.partition(":")
    try:
        found: type[LiveWorld] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise WorldError(f"the world {name} cannot be loaded: {error}", hint="`make setup` installs what is missing") from error
    return found


def check_able(fault: str, needs: Iterable[str], world: str) -> None:
    """Raises UsageError for an unknown world, AbilityMissing (naming those that can) where it lacks what `fault` needs."""
    if world not in WORLDS:
        raise UsageError(f"there is no world {world!r}", hint=f"worlds: {', '.join(WORLDS)}")
    for ability in sorted(set(needs) - WORLDS[world].abilities):
        able = tuple(kind.name for kind in WORLDS.values() if ability in kind.abilities)
        raise AbilityMissing(fault, ability, world, able)
