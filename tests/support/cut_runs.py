"""A run in the world of processes whose link is cut, for tests that disturb it from outside."""

from __future__ import annotations

import asyncio

from support.brownout_command import FAULT_LINK, Brownout, Started, small

RUN_FOLDER = "small-processes-plain-1"


def outcome(brownout: Brownout) -> str:
    """What a probe of the link meets now."""
    return asyncio.run(brownout.world().probe(FAULT_LINK, timeout_ms=500)).outcome


def start_and_cut(
    brownout: Brownout, *, fault: str = "link-refuse", recovery: str = "00:03:00", end: str = "00:03:10"
) -> Started:
    """A run whose link is cut, for a long time unless told otherwise."""
    timeline = {"recovery": recovery, "end": end}
    schedule = [{"name": "cut", "at": "00:01:02", "role": "fault", "fault": fault, "with": {"link": FAULT_LINK}}]
    path = small(brownout.work, timeline=timeline, schedule=schedule, gates={"steady_state": False})
    started = brownout.start("run", str(path), "--out", "runs", "--no-canaries")
    started.wait_for("cut: bitten")
    assert outcome(brownout) == {"link-refuse": "refused", "link-stall": "timeout"}[fault]
    return started
