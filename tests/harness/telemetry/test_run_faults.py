"""A run's faults by its events: in place from apply to release, proven once bitten, gone when lost."""

from __future__ import annotations

import pytest

from brownout.harness.record.history import Event
from brownout.harness.telemetry.run_faults import RunFaults


def act(what: str, *, fault_id: str = "run-1", **detail: object) -> Event:
    known = {"fault_id": fault_id, "fault": "link-refuse", "role": "fault", **detail}
    return Event(1.0, "act", what, "cut", known)


def after(*whats: str) -> list[tuple[bool, bool]]:
    faults = RunFaults()
    for what in whats:
        faults.event(act(what, carriers=["link:client->sydney.host"]))
    return [(one.active, one.bitten) for one in faults.series()]


@pytest.mark.parametrize(
    ("whats", "seen"),
    [
        (("intended",), []),
        (("intended", "applied"), [(True, False)]),
        (("applied", "bitten"), [(True, True)]),
        (("applied", "bitten", "seen", "reverting"), [(True, True)]),
        (("applied", "bitten", "reverting", "released"), [(False, True)]),
        (("applied", "bitten", "lost"), [(False, True)]),
        (("applied", "absent", "reverting", "stuck"), [(True, False)]),
        (("applied", "reverting", "released", "applied", "bitten"), [(True, True)]),
        (("healed",), []),
    ],
)
def test_a_fault_is_in_place_from_its_apply_to_its_release(whats: tuple[str, ...], seen: list[tuple[bool, bool]]) -> None:
    """A stuck one still is, a lost one is not, and one that was never applied never was."""
    assert after(*whats) == seen


def test_it_is_named_by_kind_step_and_target() -> None:
    """The names of what it holds, without the kind of each carrier."""
    faults = RunFaults()
    faults.event(act("applied", carriers=["link:a->b", "node:c"], role="mitigation"))
    (one,) = faults.series()
    assert (one.fault, one.step, one.target, one.role) == ("link-refuse", "cut", "a->b, c", "mitigation")


def test_other_events_change_nothing() -> None:
    """What is planned or skipped has no id, and gates are no faults."""
    faults = RunFaults()
    faults.event(Event(1.0, "act", "applied", "cut", {"role": "fault"}))
    faults.event(Event(1.0, "gate", "applied", "cut", {"fault_id": "x"}))
    assert faults.series() == ()
