"""What a benchmark reports: its figures, the machine they were taken on, and the command that repeats them, as JSON."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Generic, Literal, Self, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from brownout.harness.base.resources.worker_pool import usable_cores

SCHEMA: Literal["brownout/benchmark/v1"] = "brownout/benchmark/v1"
RESULTS = Path(__file__).parent / "results"
DIGITS = 4
SettingsT = TypeVar("SettingsT")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figures(Part):
    """Base of what benchmarks return. Units are in the names of the fields."""


class Spread(Part):
    """One figure over several rounds: their median, the lowest and the highest. The unit is that of the field."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Raises ValueError when there are no values."""
        known = sorted(values)
        if not known:
            raise ValueError("a figure needs at least one round")
        return cls(median=rounded(median(known)), low=rounded(known[0]), high=rounded(known[-1]), rounds=len(known))


class Machine(Part):
    """Where figures were taken, without its name. `busy_before` is the load average of the last minute at the start."""

    cores: int
    python: str
    system: str
    busy_before: float

    @classmethod
    def here(cls) -> Self:
        system = f"{platform.system()} {platform.machine()}"
        cores = usable_cores()
        return cls(cores=cores, python=platform.python_version(), system=system, busy_before=rounded(os.getloadavg()[0]))


class Report(Part):
    """The content of `results/NAME.json`."""

    schema_: Literal["brownout/benchmark/v1"] = Field(SCHEMA, alias="schema")
    benchmark: str
    command: str
    machine: Machine
    settings: Mapping[str, Any]
    took_s: float
    figures: SerializeAsAny[Figures]

    def to_json(self) -> bytes:
        return orjson.dumps(self.model_dump(mode="json", by_alias=True), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, what came out, and the aim if there is one."""

    what: str
    value: str
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark(Generic[SettingsT]):
    """A benchmark: `full` settings for figures, `tiny` ones for tests, `long` ones where more can be had for minutes."""

    name: str
    title: str
    about: str
    figures: type[Figures]
    measure: Callable[[SettingsT], Figures]
    rows: Callable[[Any], tuple[Row, ...]]
    full: SettingsT
    tiny: SettingsT
    long: SettingsT | None = None


def read_report(path: Path, figures: type[Figures]) -> Report:
    """The report in a file; raises FileNotFoundError, and ValueError for one of another shape."""
    raw = orjson.loads(path.read_bytes())
    return Report.model_validate({**raw, "figures": figures.model_validate(raw.get("figures"))})


def rounded(value: float) -> float:
    """The value with four significant digits: no figure here is better than that."""
    return float(f"{value:.{DIGITS}g}")


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of the values that at least `share` of them do not exceed; raises ValueError when there are none."""
    known = sorted(values)
    if not known:
        raise ValueError("no values")
    return known[max(0, math.ceil(share * len(known)) - 1)]


def text(spread: Spread, unit: str) -> str:
    """A figure for people: `0.8 s (0.7 to 0.9, 5 rounds)`."""
    rounds = f"{spread.rounds} rounds" if spread.rounds > 1 else "1 round"
    return f"{number(spread.median)} {unit} ({number(spread.low)} to {number(spread.high)}, {rounds})"


def number(value: float) -> str:
    """Three significant digits, with separators from a thousand on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
