"""Where a stack's fault API is, the token it takes, and which process serves it: a file in the stack's folder.

Imported by a process that waits for its first request, so this module imports little.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.base.processes import ProcessId

RECORD_NAME = "fault-api.json"
WORLD_RECORD = "world.json"  # removed when the stack is taken down


@dataclass(frozen=True, slots=True)
class FaultApi:
    """`url` is its base, `token` what every request must bear."""

    url: str
    token: str
    process: ProcessId

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        replace_whole(folder / RECORD_NAME, json.dumps(asdict(self)), durable=False, mode=OWNER_ONLY)


def read_fault_api(folder: Path) -> FaultApi | None:
    """The API of the stack in `folder`; None where it has none, as a run's and those of earlier versions."""
    try:
        row = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        return FaultApi(str(row["url"]), str(row["token"]), ProcessId(**row["process"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def stands(folder: Path) -> bool:
    """Whether there is still a stack to serve: its record, and, where that names one, the process that all others end with."""
    try:
        daemon = json.loads((folder / WORLD_RECORD).read_text(encoding="utf-8")).get("daemon")
    except OSError:
        return False
    except ValueError:
        return True  # of a world that writes it otherwise
    return not isinstance(daemon, dict) or "started" not in daemon or ProcessId(**daemon).alive()
