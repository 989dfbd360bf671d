"""Measurements of clients as records, and the file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SCHEMA = "brownout/client-table/v1"


@dataclass(frozen=True, slots=True)
class ClientMeasurement:
    """One acquisition of a token: how many requests reached IMDS, how long the client took, what it raised.

    `requests` is None where none can be seen from IMDS. `seconds` are those that a client of Python chose to wait, and real
    ones for others. `error` is the class that was raised, "" for a token. `age` is that of the token which the client had, ""
    for none. `measured` is a date.
    """

    client: str
    version: str
    answer: str
    age: str
    requests: int | None
    seconds: float
    error: str
    measured: str


def read(path: Path) -> tuple[ClientMeasurement, ...]:
    """The measurements of a file; raises ValueError for a file of another schema."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not of schema {SCHEMA}")
    return tuple(ClientMeasurement(**row) for row in content["measurements"])


def write(path: Path, measurements: Sequence[ClientMeasurement]) -> None:
    """One line for each, so that a change of one is seen as such."""
    rows = ",\n".join(f"  {json.dumps(asdict(each))}" for each in measurements)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"schema": "{SCHEMA}", "measurements": [\n{rows}\n]}}\n', encoding="utf-8")


def merged(old: Sequence[ClientMeasurement], new: Sequence[ClientMeasurement]) -> tuple[ClientMeasurement, ...]:
    """The new ones in place of those of the same clients."""
    again = {each.client for each in new}
    return (*(each for each in old if each.client not in again), *new)
