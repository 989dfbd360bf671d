"""A world made of a dictionary or of a file: carriers keep their sets of holds, time moves when slept, failures are scripted.

It never suspends, so whatever awaits only a world's methods can be driven by `drive` without any event loop.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from brownout.harness.effects import Effect, LinkEffect, NodeEffect
from brownout.harness.errors import Defended, StackGone, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.world import Carrier, StackSpec, Survey, World, one_after_another, states_asked
from brownout.harness.worlds.stack_spec import build_stack

T = TypeVar("T")
WORLD_FILE = "world.json"
Holds = dict[str, dict[str, Any]]


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the product may catch it."""


class Steps:
    """Counts the boundaries between steps and kills at one of them."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.count, self.kill_at = 0, kill_at

    def boundary(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            raise Killed


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends to its end; fails if it awaits anything that does."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("it awaited something that is not the world's")


class FakeWorld:
    """Implements brownout.harness.world.World as far as a life cycle needs it. `broken` maps `method carrier` to an error."""

    name = "fake"
    abilities = frozenset({"control"})
    rate = 1.0
    spec = build_stack(seed=1)

    def __init__(self, carriers: dict[str, Holds] | None = None, steps: Steps | None = None) -> None:
        self.carriers: dict[str, Holds] = {} if carriers is None else carriers
        self.steps = steps or Steps()
        self.broken: dict[str, Exception] = {}
        self.deaf: set[str] = set()  # carriers on which holds have no effect
        self.lingering: set[str] = set()  # carriers whose effect outlives the holds
        self.stubborn: set[str] = set()  # carriers that say released and are not
        self.calls: list[str] = []
        self.stopped = False
        self._now_s = 1000.0

    def now(self) -> float:
        return self._now_s

    async def sleep_until(self, at_s: float) -> None:
        self._now_s = max(self._now_s, at_s)

    def alive(self) -> bool:
        return not self.stopped

    async def stop(self) -> None:
        self.stopped = True
        self.carriers.clear()

    def _change(self, change: Callable[[dict[str, Holds]], None]) -> None:
        change(self.carriers)

    def _begin(self, method: str, carrier: Carrier) -> None:
        self.steps.boundary()
        self.calls.append(f"{method} {carrier}")
        problem = self.broken.get(f"{method} {carrier}")
        if problem is not None:
            raise problem

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        self._begin("hold", carrier)
        self._change(lambda carriers: carriers.setdefault(str(carrier), {}).update({fault_id: effect.to_json()}))
        self.steps.boundary()
        return effect.to_json()

    async def release(self, carrier: Carrier, fault_id: str) -> None:
        self._begin("release", carrier)
        if str(carrier) not in self.stubborn:
            self._change(lambda carriers: carriers.get(str(carrier), {}).pop(fault_id, None))
        self.steps.boundary()

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        return await one_after_another(calls)

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        return await states_asked(self, nodes)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        self._begin("read", carrier)
        return {"holds": dict(self._holds(carrier))}

    def _holds(self, carrier: Carrier) -> Holds:
        return self.carriers.get(str(carrier), {})

    def shows_effect(self, carrier: Carrier) -> bool:
        """What a client of the carrier would notice."""
        if str(carrier) in self.lingering:
            return True
        return bool(self._holds(carrier)) and str(carrier) not in self.deaf

    def held(self) -> dict[str, set[str]]:
        """The ids on every carrier that is not at its baseline."""
        return {carrier: set(holds) for carrier, holds in self.carriers.items() if holds}


class FileWorld(FakeWorld):
    """The same in a file, so that several processes share the carriers, as they share a real stack.

    It is installed under its name: `stand_ins-1.dist-info` has its entry point.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / WORLD_FILE
        if not self._path.exists():
            self._path.write_text("{}", encoding="utf-8")
        self._refresh()

    @classmethod
    def attach(cls, folder: Path) -> FileWorld:
        if not (folder / WORLD_FILE).exists():
            raise StackGone("the fake stack is gone")
        return cls(folder)

    def alive(self) -> bool:
        return self._path.exists()

    async def stop(self) -> None:
        self._path.unlink(missing_ok=True)

    async def repair(self) -> str:
        return ""

    async def end_loads(self) -> tuple[str, ...]:
        return ()

    async def survey(self, *, switches: bool = True) -> Survey:
        self._refresh()
        return Survey({Carrier.parse(name): holds for name, holds in self.carriers.items() if holds})

    def _refresh(self) -> None:
        self.carriers = json.loads(self._path.read_text(encoding="utf-8"))

    def _change(self, change: Callable[[dict[str, Holds]], None]) -> None:
        with (self._path.parent / "world.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            change(self.carriers)
            fresh = self._path.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(self.carriers), encoding="utf-8")
            fresh.replace(self._path)

    def _holds(self, carrier: Carrier) -> Holds:
        self._refresh()
        return super()._holds(carrier)


class FakeFault(Fault):
    """Holds the carriers that it names."""

    kind = "fake"
    family = "node"

    on: tuple[str, ...] = Field(min_length=1)

    def describe(self) -> str:
        return f"holds {', '.join(self.on)}"

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        return tuple(Carrier.parse(text) for text in self.on)

    def state(self, spec: StackSpec, carrier: Carrier) -> Effect:
        return LinkEffect("refuse") if carrier.kind == "link" else NodeEffect("down")

    async def observe(self, world: World) -> Observation:
        assert isinstance(world, FakeWorld)
        seen = [world.shows_effect(carrier) for carrier in self.carriers(world.spec)]
        return Observation("bitten" if all(seen) else "unclear" if any(seen) else "absent", f"effects {seen}")


class Clumsy(FakeFault):
    """A fault whose own revert is wrong."""

    kind = "clumsy"

    async def revert(self, world: World, fault_id: str) -> None:
        raise RuntimeError("a bug in a fault's code")


def make(kind: str, params: Mapping[str, Any]) -> Fault:
    """Rebuilds faults, as the registry does."""
    return {"fake": FakeFault, "clumsy": Clumsy}[kind].model_validate(dict(params))


def unreachable() -> WorldError:
    return WorldError("it does not answer")


def refusal() -> Defended:
    return Defended("the gate is closed")
