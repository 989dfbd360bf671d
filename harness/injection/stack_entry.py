"""The entry of a stack in its own folder: what the ledger says of the stack, for the case that the ledger is lost.

Written with the stack's row and never read while that row exists, but for one question: was a stack whose row still has an
owner let go (`standing`)? A ledger that is deleted in the middle of an `up` loses that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.processes import ProcessId

ENTRY_FILE = "entry.json"
RECORD_FILE = "world.json"  # every live world's record of its stack; earlier versions wrote no entry beside it
RUN_PREFIX = "run-"


@dataclass(frozen=True, slots=True)
class StackEntry:
    """A stack as it was entered. `standing`: its `up` came to its end."""

    id: str
    world: str
    run_owned: bool
    owner: ProcessId
    standing: bool

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        # durable: it stands in for the ledger
        replace_whole(folder / ENTRY_FILE, json.dumps(asdict(self)), durable=True, mode=OWNER_ONLY)


def read_entry(folder: Path) -> StackEntry | None:
    """The entry of the stack in `folder`, or what its world's record tells; None where neither can be read."""
    try:
        row = json.loads(read_regular(folder / ENTRY_FILE))
        entry = StackEntry(**{**row, "owner": ProcessId(**row["owner"])})
    except (OSError, ValueError, TypeError, KeyError):
        return _from_record(folder)
    texts = (entry.id, entry.world, entry.owner.started)
    sound = all(isinstance(text, str) for text in texts) and isinstance(entry.owner.pid, int) and entry.id == folder.name
    return entry if sound else _from_record(folder)


def _from_record(folder: Path) -> StackEntry | None:
    try:
        world = str(json.loads(read_regular(folder / RECORD_FILE))["world"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return StackEntry(folder.name, world, folder.name.startswith(RUN_PREFIX), ProcessId(0, ""), standing=True)
