"""Requests of a stretch of time, on hand-made records."""

from __future__ import annotations

import pytest

from brownout.harness.judge.selection import between
from support.slo_builders import request


@pytest.mark.parametrize(("start_s", "end_s"), [(2, 4), (0, 99), (3, 3), (2.5, 2.9), (99, 999), (-9, 0), (5, 99), (0, 5)])
def test_requests_of_a_stretch_are_those_intended_from_its_start_up_to_its_end(start_s: float, end_s: float) -> None:
    """Some of them at the same moment, at its borders too."""
    every = tuple(request(at_s) for at_s in (1, 2, 2, 2, 3, 4, 4, 5))
    first_s = every[0].intended_s - 1
    start_s, end_s = first_s + start_s, first_s + end_s
    assert between(every, start_s, end_s) == tuple(one for one in every if start_s <= one.intended_s < end_s)
