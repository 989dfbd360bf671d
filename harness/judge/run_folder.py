"""A run folder as data: what was started (`run.json`), what was recorded, and where the conclusions go.

| file | holds | written |
|---|---|---|
| `run.json` | RunHeader: the experiment as it was run, world, posture, seed, versions | at the start |
| `events.jsonl`, `requests*.jsonl` | the history (brownout.harness.record.history) | as the run goes |
| `canary-*.jsonl` | one line per attempt of a real SDK | as the run goes |
| `gauges.json` | the load generator's last gauges, when the runner wrote them | at the end of the load |
| `claims.json` | the claims as they were checked, with control runs that the folder does not hold | at the end |
| `result.json` | everything that was evaluated (brownout.harness.record.result) | at the end, and again by `report` |

Each is replaced as a whole and durably: a record must outlive the machine that made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from brownout.harness.base.files import replace_whole
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.attempts import Attempt, read_attempts
from brownout.harness.record.history import History, read_history
from brownout.harness.record.result import ClaimResult, Result

_CLAIMS = TypeAdapter(tuple[ClaimResult, ...])


class RunHeader(BaseModel):
    """The facts about a run that are not in its history, written before anything starts.

    `source` is the name of the experiment's file, "" when it came from none. `started_at` is real time in ISO 8601. Keys of a
    file that are not known are ignored.
    """

    model_config = ConfigDict(frozen=True)

    experiment: Experiment
    world: str
    posture: str
    seed: int
    versions: Mapping[str, str]
    clock_rate: float
    started_at: str
    command: str
    expected: str = ""
    parameters: Mapping[str, Any] = {}
    source: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a run that finished or was killed. A run without a folder has the first two fields only."""

    header: RunHeader
    history: History
    attempts: tuple[Attempt, ...] = ()
    gauges: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[ClaimResult, ...] = ()
    digest: str = ""


def write_header(folder: Path, header: RunHeader) -> None:
    """Writes `run.json`, from which `read_record` gives back an equal header."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "run.json", header.model_dump_json(by_alias=True, indent=2))


def write_claims(folder: Path, claims: tuple[ClaimResult, ...]) -> None:
    """Writes `claims.json`."""
    _write(folder / "claims.json", _CLAIMS.dump_json(claims, indent=2).decode())


def write_result(folder: Path, result: Result) -> Path:
    """Writes `result.json`, whole or not at all, and returns its path."""
    path = folder / "result.json"
    _write(path, result.model_dump_json(by_alias=True, indent=2))
    return path


def read_result(folder: Path) -> Result | None:
    """The result in the folder; None when it is missing or cannot be read."""
    try:
        return Result.model_validate_json((folder / "result.json").read_bytes())
    except (OSError, ValidationError):
        return None


def read_record(folder: Path) -> Record:
    """The run's record, of a finished or a killed run.

    Raises UsageError when the folder is not a run's, and FileError at the place where its history is damaged.
    """
    header = _read_header(folder)
    history = read_history(folder) if (folder / "events.jsonl").exists() else History((), ())
    attempts = tuple(read_attempts(folder))
    return Record(header, history, attempts, _read_gauges(folder), _read_claims(folder), history_digest(folder))


def history_digest(folder: Path) -> str:
    """A digest of every byte of the history: equal for equal histories, whatever else is in the folder."""
    digest = blake2b(digest_size=16)
    for path in (folder / "events.jsonl", *sorted(folder.glob("requests*.jsonl"))):
        if path.exists():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read_header(folder: Path) -> RunHeader:
    try:
        return RunHeader.model_validate_json((folder / "run.json").read_bytes())
    except OSError:
        hint = "name the folder that a run printed; it has a run.json"
        raise UsageError(f"{folder} is not a run folder", hint=hint) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise UsageError(f"{folder / 'run.json'} is damaged: {place}: {first['msg']}") from None


def _read_gauges(folder: Path) -> Mapping[str, float]:
    try:
        raw = json.loads((folder / "gauges.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: float(value) for name, value in raw.items() if isinstance(value, int | float)}


def _read_claims(folder: Path) -> tuple[ClaimResult, ...]:
    try:
        return _CLAIMS.validate_json((folder / "claims.json").read_bytes())
    except (OSError, ValidationError):
        return ()


def _write(path: Path, text: str) -> None:
    replace_whole(path, text + "\n", durable=True)
