"""The grounds that are searched: small stacks with few clients, whose virtual time is short. See `schedule`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.stack import stack_of
from brownout.harness.worlds.vendor_packages import require_vendors
from brownout.identity.core.topology import StackSpec

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """An experiment to put schedules on, and the names that its stack has (whatever the seed is)."""

    name: str
    experiment: Experiment
    spec: StackSpec


def names() -> tuple[str, ...]:
    """The grounds of this folder."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def ground(name: str) -> Ground:
    """The ground of that name, or the experiment of that name or file as one; raises UsageError.

    An experiment keeps its stack, clients, objectives and timeline, and loses its schedule, claims and control runs.
    """
    path = FOLDER / f"{name}.yaml" if name in names() else find(name)
    experiment = load(path)
    posture, _ = experiment.posture_named("")
    chosen = experiment.postures[posture]
    if experiment.timeline.recovery - experiment.timeline.fault < 60:
        raise UsageError(f"{name} has no minute between `fault` and `recovery`", hint="schedules are put between the two")
    bare = experiment.model_copy(
        update={
            "schedule": (),
            "claims": "",
            "controls": {},
            "postures": {posture: chosen},
            "gates": experiment.gates.model_copy(update={"steady_state": False}),
            "blast_radius": experiment.blast_radius.model_copy(update={"nodes_down": 1.0}),  # a search may take all away
        }
    )
    spec = stack_of(bare, seed=1, settings={**bare.settings, **chosen.settings})
    require_vendors(spec)
    return Ground(name, bare, spec)
