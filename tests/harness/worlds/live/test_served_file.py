"""A stack's specification is written so that its secrets are its owner's alone."""

from __future__ import annotations

import stat
from pathlib import Path

from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.server.clock import Clock
from brownout.identity.server.spec_file import ServedStack, read_served


def test_only_the_owner_can_read_a_specification(tmp_path: Path) -> None:
    """Also where a file that anyone can read stood before; what is read back is what was written."""
    path = tmp_path / "spec.json"
    path.touch(mode=0o644)
    served = ServedStack(build_stack(seed=3), Clock(1.5, 2.5, 200.0))
    write_served(path, served)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_served(path) == served
