"""The specification of a served stack, as the parent of its nodes or its init container leaves it for them."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.identity.server.spec_file import ServedStack, serialized


def write_served(path: Path, served: ServedStack) -> None:
    """Writes the file whole and durably, for its owner alone: it holds the run's secrets; raises OSError."""
    replace_whole(path, serialized(served), durable=True, mode=OWNER_ONLY)
