"""Faults that need no stack to be tried on: one that holds nothing, one that cuts a node off, and ones that go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from brownout.harness.errors import WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.world import StackSpec, World


class Quiet(Fault):
    """A fault that holds nothing and is never seen."""

    kind: ClassVar[str] = "x"
    family: ClassVar[Literal["link"]] = "link"

    def carriers(self, spec: StackSpec) -> tuple[()]:
        return ()

    def describe(self) -> str:
        return "nothing"

    async def observe(self, world: World) -> Observation:
        return Observation("absent", "nothing to see")


class Demanding(Quiet):
    """A fault that no world can carry out."""

    kind: ClassVar[str] = "demanding"
    needs: ClassVar[frozenset[str]] = frozenset({"teleport"})


class Broken(Quiet):
    """A fault that cannot be applied."""

    kind: ClassVar[str] = "broken"

    async def apply(self, world: World, fault_id: str) -> None:
        raise WorldError("it would not go in")


QUIET_FAULTS: Mapping[str, type[Fault]] = {kind.kind: kind for kind in (Quiet, Demanding, Broken)}
