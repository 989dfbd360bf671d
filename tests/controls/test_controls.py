"""Each negative control comes out red and its twin green; what ships without one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.judge.invariants.table import INVARIANTS
from brownout.harness.pytest_plugin.runs import Brownout
from brownout.harness.record.result import Result
from controls import experiments, faults, gates, invariants, registry
from controls.control import Control, Outcome
from controls.experiments import Order
from support.places import ROOT

PLAIN = (*invariants.controls(), *gates.controls(), *faults.controls())
OF_EXPERIMENTS = {
    control.name: control
    for control in experiments.controls(lambda order: pytest.fail("nothing runs while tests are collected"))
}
ALONE = "azure-mi-2026-02"  # its claims are tested without their control runs, which take minutes, and its own two are slow


@pytest.mark.parametrize("control", PLAIN, ids=lambda control: f"{control.kind}-{control.name}")
def test_the_control_comes_out_red_and_its_twin_green(control: Control) -> None:
    """A history violates the invariant, a run trips the gate, a fault that does nothing is not seen to bite."""
    outcome = control.run()
    assert outcome.proves, control.line(outcome)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == ALONE else name for name in OF_EXPERIMENTS]
)
def test_the_experiment_goes_red_and_its_twin_green(brownout: Brownout, name: str) -> None:
    """The posture that its file names for that is a breach, and its twin is none. Runs are shared with the suites."""

    def run(order: Order) -> Result:
        ran = brownout.run(
            order.name or order.experiment,
            posture=order.posture,
            world="simulation",
            seed=1,
            controls=order.name != ALONE,
        )
        return ran.expect("pass", "breach", "inconclusive").result

    (control,) = (one for one in experiments.controls(run) if one.name == name)
    outcome = control.run()
    assert outcome.proves, control.line(outcome)


def test_everything_that_ships_has_its_control() -> None:
    """Experiments, invariants, gates and faults: the set of what ships is the set of what has a control."""
    assert registry.refusals(registry.shipped(), (*OF_EXPERIMENTS.values(), *PLAIN)) == ()
    assert {kind: len(names) >= 9 for kind, names in registry.shipped().items()} == dict.fromkeys(registry.shipped(), True)


def test_what_ships_without_a_control_is_refused(tmp_path: Path) -> None:
    """A new experiment, invariant, gate and fault, planted: each is named with the place where its control belongs."""
    text = (ROOT / "suites" / "experiments" / "entra-dns-2025-02-25.yaml").read_text(encoding="utf-8")
    harmless = tmp_path / "harmless.yaml"
    harmless.write_text(text.replace("expect: breach", "expect: pass"), encoding="utf-8")
    (tmp_path / "new_gate.py").write_text('journal.gate("brand-new", passed=True, reason="")', encoding="utf-8")
    ships = {
        "experiment": {"harmless"},
        "invariant": {*(one.name for one in INVARIANTS), "new-invariant"},
        "gate": gates.shipped(tmp_path) | gates.shipped(),
        "fault": faults.shipped() | {"new-fault"},
    }
    of_file = experiments.controls(lambda order: pytest.fail("it has no posture to run"), {"harmless": harmless})
    refused = registry.refusals(ships, (*of_file, *PLAIN))
    assert [line.partition(":")[0] for line in refused] == [
        "experiment harmless has no negative control",
        "invariant new-invariant has no negative control",
        "gate brand-new has no negative control",
        "fault new-fault has no negative control",
    ]
    assert all(registry.WHERE[kind] in line for kind, line in zip(ships, refused, strict=True))


def test_a_control_of_what_does_not_ship_is_refused() -> None:
    """What was taken away takes its control along."""
    gone = Control("gate", "long-gone", "x", lambda: Outcome(red=True, green=True, seen=""))
    ships = {"experiment": set[str](), "invariant": set[str](), "gate": set[str](), "fault": set[str]()}
    assert registry.refusals(ships, [gone]) == ("gate long-gone has a control and does not ship: take the control away",)


def test_a_gate_whose_name_is_computed_is_refused(tmp_path: Path) -> None:
    """Nobody could tell whether it has a control."""
    (tmp_path / "computed.py").write_text('GateResult(name=f"of-{thing}", passed=True, reason="")', encoding="utf-8")
    with pytest.raises(ValueError, match="must be written out"):
        gates.shipped(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "proves", "said"),
    [
        (Outcome(red=True, green=True, seen="x"), True, "red: x"),
        (Outcome(red=True, green=None, seen="x"), True, "red: x"),
        (Outcome(red=False, green=True, seen="x"), False, "STAYS GREEN: x"),
        (Outcome(red=True, green=False, seen="x"), False, "ALWAYS RED: x"),
    ],
)
def test_only_what_is_red_and_not_always_red_proves(outcome: Outcome, proves: bool, said: str) -> None:
    """One that stays green and one whose twin is red too fail."""
    assert (outcome.proves, str(outcome)) == (proves, said)
