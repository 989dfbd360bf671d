"""Latent failures of a standing stack, for the command line and for tests."""

from __future__ import annotations

import asyncio

from brownout.harness.injection.recovery import world_of
from brownout.harness.operate.stacks import resolve_stack
from brownout.harness.worlds.renewals import RenewalLook, look_at_renewals


def latent_failures(stack: str = "") -> tuple[str, RenewalLook]:
    """The stack's id, and which of its machines' cached tokens would not be renewed today.

    `stack` may be left out where one stands. Raises UsageError for no such stack, WorldError where one does not answer.
    """
    row = resolve_stack(stack, for_="look")
    return row.id, asyncio.run(look_at_renewals(world_of(row)))
