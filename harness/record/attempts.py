"""One attempt of a canary, such as to get a token, and the log that holds them: `canary-<client>.jsonl`, one JSON line each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from brownout.harness.record.json_lines import Types, read_lines, require_time, require_types

Kind = Literal["sync", "async", "boto3"]
MachineKind = Literal["warm", "new", "none"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at `operation`, which needed a machine or none (`machine` is ""), perhaps one just created (`fresh`).

    `started_s` and `ended_s` are emulated epoch seconds, `wall_s` real seconds.
    """

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
    operation: str = "token"

    @property
    def machine_kind(self) -> MachineKind:
        """The kind of machine that it was made on."""
        if not self.machine:
            return "none"
        return "new" if self.fresh else "warm"

    def to_line(self) -> bytes:
        """Its line of the log."""
        return (json.dumps(asdict(self), sort_keys=True) + "\n").encode()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Attempt:
        """From the object of a line; unknown keys are ignored. Raises KeyError or TypeError for any other."""
        values = (*(raw[name] for name in _FIELDS[:-1]), raw.get("operation", "token"))
        require_types(_FIELDS, values, _TYPES)
        require_time(raw["started_s"])
        require_time(raw["ended_s"])
        if raw["client"] not in get_args(Kind):
            raise ValueError(f"client should be {', '.join(get_args(Kind))}, not {raw['client']!r}")
        return cls(*values)


_FIELDS = tuple(each.name for each in fields(Attempt))
_TYPES: Types = (str, str, bool, float, float, float, bool, bool, str, str, str)


def log_path(folder: Path, client: Kind) -> Path:
    """The log of one canary in a run folder."""
    return folder / f"canary-{client}.jsonl"


def read_attempts(folder: Path) -> Iterator[Attempt]:
    """Every attempt logged in a run folder, log by log; a torn last line is left out. Raises FileError for a damaged one.

    A copy of a log beside it is not read: its attempts would count twice.
    """
    for client in sorted(get_args(Kind)):
        path = log_path(folder, client)
        if path.exists():
            yield from (attempt for _, attempt in read_lines(path, Attempt.of))
