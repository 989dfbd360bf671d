"""`python -m benchmarks.one_run OUT [--controls]`: one simulated run of the bundled incident; prints a `RunFigures` line.

It is a process of its own because that is how runs are made: one without threads may simulate its controls beside itself.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brownout.harness.api import Options, run
from brownout.harness.experiment.loader import find, load

EXPERIMENT = "ftvr-l9z"


class RunFigures(BaseModel):
    """`run_s` is from the experiment's file to its verdict, Python's start and imports left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_s: float
    verdict: str
    requests: int


def one_run(out: Path, *, controls: bool) -> RunFigures:
    started_s = time.perf_counter()
    outcome = run(load(find(EXPERIMENT)), Options(world="simulation", out=out, controls=controls))
    run_s = time.perf_counter() - started_s
    return RunFigures(run_s=run_s, verdict=outcome.result.verdict, requests=len(outcome.history().requests))


if __name__ == "__main__":
    print(one_run(Path(sys.argv[1]), controls="--controls" in sys.argv[2:]).model_dump_json())
