"""One attempt of a canary to get a token, as its log records it."""

from __future__ import annotations

from dataclasses import dataclass
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
