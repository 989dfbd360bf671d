"""A cold start: what a node and its annexes have cached is dropped, as by a restart, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from brownout.identity.core.holds import HoldSet, Switch, Value, nothing_to_undo

COLD_START = "cold-start"  # thrown once: what the caches get afterwards they keep


@runtime_checkable
class KeepsCredentials(Protocol):
    """A role or an annex with caches of its own."""

    def drop_caches(self) -> int:
        """Empties them, as a restart would; returns how many tokens and credentials were in them."""
        ...


def add_cold_start(holds: HoldSet, parts: Callable[[], Iterable[object]]) -> None:
    """Gives a node the switch that drops what those of its `parts` that have caches keep in them."""

    async def engage(fault_id: str, value: Value) -> Value:
        return {"dropped": sum(part.drop_caches() for part in parts() if isinstance(part, KeepsCredentials))}

    holds.add({COLD_START: Switch(engage, nothing_to_undo)})
