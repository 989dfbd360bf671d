"""What counts as served where no fault is in place: an answer of the service's own choice, whatever it says."""

from __future__ import annotations

import pytest

from brownout.harness.judge.invariants.availability import NO_ROOM, _is_available
from support.slo_builders import request


@pytest.mark.parametrize(
    ("status", "served"),
    [(400, True), (404, True), (499, True), (500, False), (503, False), *((status, False) for status in NO_ROOM)],
)
def test_a_refusal_is_an_answer_unless_the_service_had_no_room(status: int, served: bool) -> None:
    """From 400 to 499: the client's fault. What happened is served whatever its status; what is unknown is not."""
    assert _is_available(request(0.0, False, status=status)) is served
    assert _is_available(request(0.0, True, status=status))
    assert not _is_available(request(0.0, False, status=status, outcome="unknown"))
