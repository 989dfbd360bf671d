"""The worlds by name: the abilities of each, and where its class is. A world's modules are imported on first use.

The ledger, the stack file and the record store the name; only this module knows where the code is. A package adds a world
whose stacks outlive a command by an entry point of the group `brownout.worlds`: the world's name, and its `LiveWorld` class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brownout.harness.base import hints
from brownout.harness.errors import AbilityMissing, UsageError, WorldError

if TYPE_CHECKING:  # commands and the pytest plugin need the names of the worlds only, and shall start fast
    from importlib.metadata import EntryPoint

    from brownout.harness.world import LiveWorld

SIMULATION, PROCESSES, COMPOSE = "simulation", "processes", "compose"
GROUP = "brownout.worlds"
_EVERYWHERE = frozenset({"link:refuse", "link:reset", "link:stall", "link:slow", "node:down", "node:paused", "control", "load"})
SUBJECT = "subject"  # a world that can have the user's own application beside its stack
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
        WorldKind(PROCESSES, _EVERYWHERE | {SUBJECT}, "brownout.harness.worlds.processes.world:ProcessesWorld"),
        WorldKind(COMPOSE, _EVERYWHERE | _IN_CONTAINERS | {SUBJECT}, "brownout.harness.worlds.compose.world:ComposeWorld"),
    )
}
LIVE = tuple(name for name, kind in WORLDS.items() if kind.entry)


def live_world(name: str) -> type[LiveWorld]:
    """The class of a world whose stacks outlive a command; raises UsageError for other names, WorldError if it cannot load."""
    from importlib.metadata import EntryPoint

    kind = WORLDS.get(name)
    entry = EntryPoint(name, kind.entry, GROUP) if kind is not None else _installed().get(name)
    if entry is None or not entry.value:
        raise UsageError(f"{name!r} is no world whose stacks stay up", hint=f"these are: {', '.join((*LIVE, *_installed()))}")
    try:
        found: type[LiveWorld] = entry.load()
    except (ImportError, AttributeError) as error:
        raise WorldError(
            f"the world {name} cannot be loaded: {error}", hint=hints.install(*(("compose",) if name == COMPOSE else ()))
        ) from error
    return found


def _installed() -> Mapping[str, EntryPoint]:
    """The worlds that other packages add."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def check_able(fault: str, needs: Iterable[str], world: str) -> None:
    """Raises UsageError for an unknown world, AbilityMissing (naming those that can) where it lacks what `fault` needs."""
    for ability in sorted(set(needs) - _abilities(world)):
        able = tuple(kind.name for kind in WORLDS.values() if ability in kind.abilities)
        raise AbilityMissing(fault, ability, world, able)


def _abilities(world: str) -> frozenset[str]:
    if world in WORLDS:
        return WORLDS[world].abilities
    if world not in _installed():
        raise UsageError(f"there is no world {world!r}", hint=f"worlds: {', '.join((*WORLDS, *_installed()))}")
    return live_world(world).abilities
