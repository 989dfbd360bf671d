"""What faults break at once, against what a file allows: how many faults, and what share of the stack's nodes.

A schedule that takes everything away at once shows nothing that was not known, and on a standing stack it is more often a slip
than a plan. So each moment at which a step begins is looked at before anything starts, and each fault by hand before it is put
in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brownout.harness.base.durations import clock_text
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.base.stats import percent
from brownout.harness.experiment.model import BlastRadius, Experiment
from brownout.harness.experiment.steps import ResolvedStep
from brownout.harness.world import Carrier, StackSpec


@dataclass(frozen=True, slots=True)
class InForce:
    """Something that is in force: its name, what it holds, and whether it counts as a fault."""

    name: str
    carriers: tuple[Carrier, ...]
    is_fault: bool = True

    @property
    def nodes(self) -> frozenset[str]:
        """The nodes that it takes down, stops or cuts off as a whole."""
        return frozenset(carrier.name for carrier in self.carriers if carrier.kind == "node")


def excess(allowed: BlastRadius, spec: StackSpec, together: Sequence[InForce]) -> tuple[str, str]:
    """What of `together` is more than allowed, and the key that allows it; twice "" where it is not."""
    faults = [one.name for one in together if one.is_fault]
    if len(faults) > allowed.faults:
        text = f"{len(faults)} faults are in place at once ({', '.join(faults)}), at most {allowed.faults} may be"
        return text, f"blast_radius: {{faults: {len(faults)}}}"
    down = frozenset[str]().union(*(one.nodes for one in together))
    share = len(down) / len(spec.nodes())
    if share <= allowed.nodes_down:
        return "", ""
    names = ", ".join(one.name for one in together if one.nodes)
    text = f"{len(down)} of {len(spec.nodes())} nodes are down at once ({names}), at most {percent(allowed.nodes_down)} may be"
    return text, f"blast_radius: {{nodes_down: {min(1.0, -(-share * 100 // 1) / 100):g}}}"


def check_blast_radius(experiment: Experiment, built: Mapping[DataPath, ResolvedStep], stack: StackSpec) -> Iterator[Problem]:
    """A problem for each moment at which a step of the schedule makes it too much."""
    steps = {path: resolved for path, resolved in built.items() if path[0] == "schedule"}
    last_of = {resolved.step.at: path for path, resolved in steps.items()}  # of the steps that begin at that moment
    for at, path in last_of.items():
        together = [_in_force(one, stack) for one in steps.values() if _covers(one, at, experiment.timeline.end)]
        text, allows = excess(experiment.blast_radius, stack, together)
        if text:
            yield Problem((*path, "at"), f"at {clock_text(at)} {text}", f"`{allows}` allows it")


def _covers(resolved: ResolvedStep, at_s: float, end_s: float) -> bool:
    until_s = end_s if resolved.step.until is None else resolved.step.until
    return resolved.step.at <= at_s < until_s


def _in_force(resolved: ResolvedStep, stack: StackSpec) -> InForce:
    return InForce(resolved.step.name, resolved.fault.carriers(stack), is_fault=resolved.step.role == "fault")
