"""The generator's report on its own health: one line of JSON per half second and worker, in `load-<worker>.jsonl`.

Law: every arrival whose time has come is in `planned`; each of those is either sent (`issued`), or was due so long
ago that it could not be sent within its deadline (`late`), or failed inside the generator (`faults`). All of them get
a line in the request log (`recorded`), so that at the end `recorded == planned`, and `issued / planned` says how much
of the plan was real.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

GeneratorState = Literal["starting", "running", "paused", "finished", "stopped"]
PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One worker's counters so far.

    `at_s` is emulated, `monotonic_s` the machine's clock; `cpu_s` is processor time of the process since it started and
    `lag_p99_ms` the 99th percentile of (sent - intended) over all its arrivals, in network milliseconds.
    """

    worker: int
    at_s: float
    monotonic_s: float
    state: GeneratorState
    planned: int
    issued: int
    recorded: int
    late: int
    faults: int
    lag_p99_ms: float
    cpu_s: float
    first_fault: str = ""

    def to_line(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True) + "\n"

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Heartbeat:
        """From a parsed line; raises TypeError when a field is missing. Unknown fields are left out."""
        return cls(**{name: raw[name] for name in _FIELDS if name in raw})


_FIELDS = tuple(field.name for field in fields(Heartbeat))
