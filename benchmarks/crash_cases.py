"""The cases of the crash matrix: each fault, each boundary of the run and of its undo, and who dies or is stopped there."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.crash_faults import FAULTS
from benchmarks.crashes import Blow, Crash, CrashableWorld, Ending, Spot
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.world import StackSpec
from brownout.harness.worlds.stack_spec import build_stack

EPOCH_S = 1_721_088_000.0
WHOLE: Mapping[Spot, tuple[Blow, ...]] = {}
KILL_RUNNER, STOP_RUNNER = Blow("kill", "runner"), Blow("stop", "runner")
KILL_GUARDIAN, STOP_GUARDIAN = Blow("kill", "guardian"), Blow("stop", "guardian")
# What happens at a boundary of the run.
AT_THE_RUN: Mapping[str, tuple[Blow, ...]] = {
    "runner": (KILL_RUNNER,),
    "guardian": (KILL_GUARDIAN,),
    "runner and guardian": (KILL_RUNNER, KILL_GUARDIAN),
    "runner stopped": (STOP_RUNNER,),
    "guardian stopped, runner": (STOP_GUARDIAN, KILL_RUNNER),
    "runner stopped, guardian": (STOP_RUNNER, KILL_GUARDIAN),
    "Toxiproxy": (Blow("end", "toxiproxy"),),
    "Toxiproxy and runner": (Blow("end", "toxiproxy"), KILL_RUNNER),
    "stack's parent": (Blow("end", "parent"),),
    "stack's parent and runner": (Blow("end", "parent"), KILL_RUNNER),
    "node": (),  # that of the fault's first carrier
    "node and runner": (KILL_RUNNER,),
}
# What happens at a boundary of the undo that follows.
AT_THE_UNDO: Mapping[str, tuple[str, Mapping[str, tuple[Blow, ...]]]] = {
    "guardian in its undo, after the runner": ("guardian", {"runner": (KILL_RUNNER,)}),
    "command in its undo, after runner and guardian": ("command", {"runner": (KILL_RUNNER, KILL_GUARDIAN)}),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One crash: who, at which boundary of the run, and at which one of the undo (0: none)."""

    kind: str
    whom: str
    at: int
    undo_at: int = 0

    def blows(self, fault: Fault, spec: StackSpec) -> Mapping[Spot, tuple[Blow, ...]]:
        if self.undo_at:
            process, first = AT_THE_UNDO[self.whom]
            return {("runner", self.at): first["runner"], (process, self.undo_at): (Blow("kill", process),)}
        struck = AT_THE_RUN[self.whom]
        if self.whom.startswith("node"):
            struck = (Blow("end", fault.carriers(spec)[0].name), *struck)
        return {("runner", self.at): struck}


class Stand:
    """Stacks that are up, one at a time: a crash that keeps its promises leaves the stack as it was, for the next one."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0
        self._world: CrashableWorld | None = None

    def carried_out(self, case: Case) -> Ending:
        return self._crashed(case.kind, case)

    def boundaries(self, kind: str) -> Mapping[str, int]:
        """How many boundaries each process passes when nothing happens to it, and when it undoes."""
        whole = self._crashed(kind, None)
        assert not whole.problems, f"{kind}: {whole.problems}"
        late = Case(kind, "runner", whole.counts["runner"] // 2)
        undone = self._crashed(kind, late)
        by_command = self._crashed(kind, replace(late, whom="runner and guardian"))
        return {
            "runner": whole.counts["runner"],
            "guardian": undone.counts["guardian"],
            "command": by_command.counts["command"],
        }

    def _crashed(self, kind: str, case: Case | None) -> Ending:
        fault = plugins.fault(kind, FAULTS[kind])
        world = self._up()
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        crash = Crash(world, fault, WHOLE if case is None else case.blows(fault, world.spec), folder)
        ending = world.run(crash.carried_out())
        if ending.problems or crash.machine.gone - {"runner", "guardian", "command"}:
            self.close()
        return ending

    def _up(self) -> CrashableWorld:
        if self._world is None:
            settings = {"config_delay_s": 1.0, "iam_publish_interval_s": 5.0, "publish_interval_s": 10.0}
            spec = replace(build_stack(seed=1, settings=settings, vendors=("aws", "azure")), edge=True)
            self._world = CrashableWorld(spec, epoch_s=EPOCH_S)
            self._world.run(self._world.start())
        return self._world

    def close(self) -> None:
        if self._world is not None:
            self._world.kernel.close()
            self._world = None


def cases(kind: str, boundaries: Mapping[str, int], spec_carriers: str) -> Iterator[Case]:
    """All cases of a fault. `spec_carriers` is the kind of its carriers."""
    for whom in AT_THE_RUN:
        if whom.startswith("Toxiproxy") and spec_carriers != "link":
            continue
        if whom.startswith("node") and spec_carriers == "link":
            continue
        for at in range(1, boundaries["runner"] + 1):
            yield Case(kind, whom, at)
    for whom, (process, _) in AT_THE_UNDO.items():
        for undo_at in range(1, boundaries[process] + 1):
            yield Case(kind, whom, boundaries["runner"] // 2, undo_at)


def carriers_of(kind: str) -> str:
    spec = replace(build_stack(seed=1, vendors=("aws", "azure")), edge=True)
    return plugins.fault(kind, FAULTS[kind]).carriers(spec)[0].kind


def sampled(found: list[Case], kills: int, seed: int) -> list[Case]:
    """So many of the cases, drawn by the seed and in the order of the matrix; all of them for 0."""
    if not kills or kills >= len(found):
        return found
    chosen = set(random.Random(seed).sample(range(len(found)), kills))
    return [case for number, case in enumerate(found) if number in chosen]


def temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="brownout-crashes-")
