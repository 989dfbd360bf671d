"""The options and the outcome of a run: what `api.run` takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brownout.harness.record.history import History, read_history
from brownout.harness.record.result import Result
from brownout.harness.worlds.catalog import SIMULATION

RUN_LONGEST_S = 3600.0
OFFSET_MAX_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to run an experiment. `expect` and `posture` may be empty; `out` is the folder in which run folders are made.

    `settings` of the service go over those of the experiment and of every posture, in its control runs too. `longest_s` is the
    most real time that the timeline of a run in a live world may take. `offset_s`: how much earlier, in emulated time, the
    stack begins, so that the schedule meets another point of its cycles. `folder_name` "" is a name made of what is run.
    """

    world: str = SIMULATION
    posture: str = ""
    seed: int = 1
    out: Path = field(default_factory=lambda: Path("runs"))
    expect: str = ""
    command: str = ""
    dashboard_port: int | None = None
    canaries: bool = True
    controls: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    longest_s: float = RUN_LONGEST_S
    offset_s: float = 0.0
    folder_name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that ended: its result, the folder with its record, and what of its conclusions could not be saved there."""

    result: Result
    folder: Path
    interrupted: bool = False
    unsaved: tuple[str, ...] = ()

    def history(self) -> History:
        return read_history(self.folder)
