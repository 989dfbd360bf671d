"""The recorded history: what happened, as lines of JSON, written during the run. Checks and reports read only this.

A run folder holds `events.jsonl` (this module's Event: phases, faults, steps, probes, alerts, notes) and one or more
`requests*.jsonl` (RequestRecord: one line per request of the load). A torn last line, left by a kill, is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import orjson

RequestOutcome = Literal["happened", "refused", "unknown"]


class RequestRecord(NamedTuple):
    """One request of the load. Times are emulated epoch seconds; `latency_ms` is network time from the intended send.

    `outcome`: `happened` (the answer is a success), `refused` (the answer is an error, or the connection was
    refused), `unknown` (no answer). `trail` names the nodes that served it, hop by hop:
    `node;build;key id;key kind;cache`, hops joined by `>`.
    """

    id: str
    cohort: str
    operation: str
    region: str
    home: str
    machine: str
    intended_s: float
    sent_s: float
    done_s: float
    latency_ms: float
    status: int
    outcome: RequestOutcome
    error: str = ""
    trail: str = ""
    front_end: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at emulated time `at_s`.

    `kind` is one of `run`, `phase`, `act` (a fault or operator's step going through its life cycle), `probe`, `canary`,
    `load`, `gate`, `note`; `what` is the event's name within its kind (`intended`, `applied`, `bitten`, `released`,
    `healed`, ...); `subject` is the fault, node or cohort concerned; `detail` holds the rest.
    """

    at_s: float
    kind: str
    what: str
    subject: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


_REQUEST_FIELDS = RequestRecord._fields
_ALL_FIELDS = itemgetter(*_REQUEST_FIELDS)


def to_line(record: RequestRecord) -> str:
    """The record as one line of JSON with its keys in alphabetical order, so that equal histories are equal bytes."""
    return _request_line(record).decode()


def _request_line(record: RequestRecord) -> bytes:
    # Spelt out and not sorted for every request: one is written for each request of a load.
    plain = {
        "cohort": record.cohort,
        "done_s": record.done_s,
        "error": record.error,
        "front_end": record.front_end,
        "home": record.home,
        "id": record.id,
        "intended_s": record.intended_s,
        "latency_ms": record.latency_ms,
        "machine": record.machine,
        "operation": record.operation,
        "outcome": record.outcome,
        "region": record.region,
        "sent_s": record.sent_s,
        "status": record.status,
        "trail": record.trail,
    }
    return orjson.dumps(plain, option=orjson.OPT_APPEND_NEWLINE)


def _event_line(event: Event) -> bytes:
    plain = {"at_s": event.at_s, "kind": event.kind, "what": event.what, "subject": event.subject, "detail": event.detail}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


class Recorder:
    """Writes a run's history, line by line, during the run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._events: BinaryIO = (folder / "events.jsonl").open("ab")
        self._requests: BinaryIO = (folder / "requests.jsonl").open("ab")

    def event(self, event: Event) -> None:
        """Writes an event, to the file at once: a killed run still tells how far it came."""
        self._events.write(_event_line(event))
        self._events.flush()

    def request(self, record: RequestRecord) -> None:
        """Writes a request, to the file with the next block or `flush`."""
        self._requests.write(_request_line(record))

    def flush(self) -> None:
        self._events.flush()
        self._requests.flush()

    def close(self) -> None:
        self._events.close()
        self._requests.close()


@dataclass(frozen=True, slots=True)
class History:
    """A run's whole record, requests ordered by intended time, events by the time they were recorded."""

    events: tuple[Event, ...]
    requests: tuple[RequestRecord, ...]

    def select(
        self,
        *,
        cohorts: Iterable[str] = (),
        operations: Iterable[str] = (),
        start_s: float = float("-inf"),
        end_s: float = float("inf"),
    ) -> tuple[RequestRecord, ...]:
        """Requests intended in [start_s, end_s) of these cohorts and operations (empty means all)."""
        wanted_cohorts, wanted_operations = frozenset(cohorts), frozenset(operations)
        return tuple(
            r
            for r in self.requests
            if start_s <= r.intended_s < end_s
            and (not wanted_cohorts or r.cohort in wanted_cohorts)
            and (not wanted_operations or r.operation in wanted_operations)
        )


def read_history(folder: Path) -> History:
    """The history of a run folder, finished or killed; raises FileNotFoundError when there is none."""
    events = tuple(Event(**raw) for raw in _read_lines(folder / "events.jsonl"))
    logs = sorted(folder.glob("requests*.jsonl"))
    requests = [_request(raw) for log in logs for raw in _read_lines(log)]
    requests.sort(key=lambda r: (r.intended_s, r.id))
    return History(events, tuple(requests))


def _request(raw: Mapping[str, Any]) -> RequestRecord:
    """The record of a line: unknown keys are ignored, and fields that older logs lack have their defaults."""
    try:
        return RequestRecord._make(_ALL_FIELDS(raw))  # nearly every line has every field
    except KeyError:
        return RequestRecord(**{name: raw[name] for name in _REQUEST_FIELDS if name in raw})


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:  # as bytes: a kill may have cut a character in two
        for line in lines:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
