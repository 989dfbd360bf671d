"""The stack's clock: two ways between emulated and monotonic time, and a record that another process reads."""

from __future__ import annotations

import time

import pytest

from brownout.identity.server.clock import Clock


def test_clock_converts_both_ways_at_its_rate() -> None:
    """At rate 200 an emulated hour is 18 s of the machine's clock."""
    clock = Clock.from_record({"epoch_s": 1_721_005_200.0, "monotonic_s": 50.0, "rate": 200.0})
    assert clock.monotonic_at(1_721_005_200.0 + 3600) == pytest.approx(68.0)
    assert clock.emulated_at(68.0) == pytest.approx(1_721_005_200.0 + 3600)


@pytest.mark.parametrize("clock", [{}, {"epoch_s": 1.0, "rate": 1.0}, {"epoch_s": 1.0, "monotonic_s": 1.0, "rate": 0.0}])
def test_clock_that_cannot_run_is_refused(clock: dict[str, float]) -> None:
    """A process needs a whole clock that advances."""
    with pytest.raises(ValueError, match="the stack's clock"):
        Clock.from_record(clock)


def test_a_clock_comes_back_from_its_record() -> None:
    """Two processes with one record agree on the time."""
    clock = Clock.starting_now(1_721_005_200.0, 60.0)
    assert Clock.from_record(clock.to_record()) == clock
    assert clock.emulated_at(clock.monotonic_s) == 1_721_005_200.0
    assert clock.now() == pytest.approx(clock.emulated_at(time.monotonic()), abs=60.0)


def test_real_time_is_emulated_time_over_the_rate() -> None:
    """What is past takes no time; a clock that would stand still is refused."""
    clock = Clock(0.0, 0.0, 200.0)
    assert clock.real_s(3600.0) == 18.0
    assert clock.real_s(-1.0) == 0.0
    with pytest.raises(ValueError, match="above 0"):
        Clock.starting_now(0.0, 0.0)
