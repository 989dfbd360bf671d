"""Everything that needs a control, everything that has one, and what is refused because it has none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controls import experiments, faults, gates, invariants
from controls.control import KINDS, Control, Kind

WHERE: Mapping[Kind, str] = {
    "experiment": "give its file a posture with `expect: breach` under which an objective is breached",
    "invariant": "give it a pair of histories in tests/support/invariant_controls.py",
    "gate": "give it a run that trips it in tests/controls/gates.py",
    "fault": "give it a case in tests/support/fault_cases.py, and in tests/controls/faults.py the situation that it needs",
}


def shipped() -> Mapping[Kind, set[str]]:
    """The names of what ships, by kind."""
    return {
        "experiment": experiments.shipped(),
        "invariant": invariants.shipped(),
        "gate": gates.shipped(),
        "fault": faults.shipped(),
    }


def controls(run: experiments.Runner) -> tuple[Control, ...]:
    """All controls; `run` carries the simulated runs of experiments out."""
    return (*experiments.controls(run), *invariants.controls(), *gates.controls(), *faults.controls())


def refusals(ships: Mapping[Kind, set[str]], found: Iterable[Control]) -> tuple[str, ...]:
    """A line for each thing that ships without a control, and for each control of something that does not ship."""
    known: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
    for control in found:
        known[control.kind].add(control.name)
    bare = [
        f"{kind} {name} has no negative control: {WHERE[kind]}" for kind in KINDS for name in sorted(ships[kind] - known[kind])
    ]
    stale = [
        f"{kind} {name} has a control and does not ship: take the control away"
        for kind in KINDS
        for name in sorted(known[kind] - ships[kind])
    ]
    return (*bare, *stale)
