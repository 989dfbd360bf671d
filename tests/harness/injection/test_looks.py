"""Looks at a fault: what cannot be looked at any more is told apart from what does not answer just now."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brownout.harness.errors import CarrierGone, WorldError
from brownout.harness.injection.looks import GONE, look


class _Looking:
    """A fault whose look ends with an error."""

    def __init__(self, error: WorldError) -> None:
        self._error = error

    async def observe(self, world: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (CarrierGone("sydney.token.z2 has ended by itself"), {GONE: "sydney.token.z2 has ended by itself"}),
        (WorldError("sydney.token.z2 does not answer"), None),
    ],
)
def test_a_look_at_what_has_ended_says_so(error: WorldError, detail: Any) -> None:
    """A node that is looked at and carries nothing may end; then no later look can tell more."""
    fault: Any = _Looking(error)
    world: Any = None
    seen = asyncio.run(look(world, fault))
    assert (seen.state, seen.detail) == ("unclear", detail)
    assert seen.evidence.endswith(error.message)
