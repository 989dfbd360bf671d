"""One attempt of a canary to get a token, and the log that holds them: `canary-<client>.jsonl`, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

Kind = Literal["sync", "async"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One acquisition. `started_s` and `ended_s` are emulated epoch seconds, `wall_s` real seconds."""

    client: Kind
    machine: str
    fresh: bool
    started_s: float
    ended_s: float
    wall_s: float
    ok: bool
    unfinished: bool
    error: str
    message: str

    def to_line(self) -> bytes:
        """Its line of the log."""
        return (json.dumps(asdict(self), sort_keys=True) + "\n").encode()

    @classmethod
    def from_line(cls, line: str) -> Attempt:
        """From a line of the log; unknown keys are ignored. Raises ValueError or TypeError for any other."""
        raw = json.loads(line)
        return cls(**{each.name: raw[each.name] for each in fields(cls) if each.name in raw})


def log_path(folder: Path, client: Kind) -> Path:
    """The log of one canary in a run folder."""
    return folder / f"canary-{client}.jsonl"


def read_attempts(folder: Path) -> Iterator[Attempt]:
    """Every attempt logged in a run folder, log by log; a torn last line is left out. Raises as `Attempt.from_line` does."""
    for path in sorted(folder.glob("canary-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield Attempt.from_line(line)
