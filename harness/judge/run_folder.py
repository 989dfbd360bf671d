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

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from brownout.harness.base.files import read_regular, replace_whole
from brownout.harness.base.plain import INT_MAX, PlainData, Real, Text
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.attempts import Attempt, read_attempts
from brownout.harness.record.history import History, read_history
from brownout.harness.record.result import ClaimResult, Result
from brownout.harness.record.verdicts import Verdict

_CLAIMS = TypeAdapter(tuple[ClaimResult, ...])
_GAUGES = TypeAdapter(Mapping[str, Real])


class RunHeader(BaseModel):
    """The facts about a run that are not in its history, written before anything starts.

    `source` is the name of the experiment's file, "" when it came from none. The stack began `offset_s` of emulated time
    earlier than its timeline says. `started_at` is real time in ISO 8601. Keys of a file that are not known are ignored.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    experiment: Experiment
    world: Text
    posture: Text
    seed: int = Field(ge=0, le=INT_MAX)
    versions: Mapping[Text, Text]
    clock_rate: float = Field(gt=0)
    started_at: Text
    command: str
    expected: Verdict | Literal[""] = ""
    parameters: PlainData = {}
    source: str = ""
    offset_s: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _posture_is_known(self) -> Self:
        if self.posture not in self.experiment.postures:
            raise ValueError(f"the experiment has no posture {self.posture[:80]!r}")
        return self


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
        return Result.model_validate_json(read_regular(folder / "result.json"))
    except (OSError, ValidationError):
        return None


def read_record(folder: Path) -> Record:
    """The run's record, of a finished or a killed run.

    Raises UsageError when the folder is not a run's, and FileError at the place where its history is damaged.
    """
    header = read_header(folder)
    history = read_history(folder) if (folder / "events.jsonl").exists() else History((), ())
    attempts = tuple(read_attempts(folder))
    return Record(header, history, attempts, _read_gauges(folder), _read_claims(folder), history_digest(folder))


def history_digest(folder: Path) -> str:
    """A digest of every byte of the history: equal for equal histories, whatever else is in the folder."""
    digest = blake2b(digest_size=16)
    for path in (folder / "events.jsonl", *sorted(folder.glob("requests*.jsonl"))):
        if path.exists():
            for part in (path.name.encode(), b"\0", read_regular(path), b"\0"):  # one by one: together they would be copied
                digest.update(part)
    return digest.hexdigest()


def read_header(folder: Path) -> RunHeader:
    """What was run; raises UsageError when the folder is not a run's."""
    try:
        return RunHeader.model_validate_json(read_regular(folder / "run.json"))
    except (FileNotFoundError, NotADirectoryError):
        hint = "name the folder that a run printed; it has a run.json"
        raise UsageError(f"{folder} is not a run folder", hint=hint) from None
    except OSError as error:
        raise UsageError(f"{folder / 'run.json'} cannot be read: {error.strerror}", hint="name the folder of a run") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise UsageError(f"{folder / 'run.json'} is damaged: {place}: {first['msg']}") from None


def _read_gauges(folder: Path) -> Mapping[str, float]:
    try:
        return _GAUGES.validate_json(read_regular(folder / "gauges.json"))
    except (OSError, ValidationError):
        return {}


def _read_claims(folder: Path) -> tuple[ClaimResult, ...]:
    try:
        return _CLAIMS.validate_json(read_regular(folder / "claims.json"))
    except (OSError, ValidationError):
        return ()


def _write(path: Path, text: str) -> None:
    """Raises BrownoutError when it cannot be written, as when something else stands in its place."""
    try:
        replace_whole(path, text + "\n", durable=True)
    except OSError as error:
        raise BrownoutError(
            f"{path} cannot be written: {error.strerror}", hint="make room for it, or copy the folder"
        ) from error
