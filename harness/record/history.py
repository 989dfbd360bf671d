"""The recorded history: what happened, as lines of JSON, written during the run. Checks and reports read only this.

A run folder holds `events.jsonl` (this module's Event: phases, faults, steps, probes, alerts, notes), one or more
`requests*.jsonl` (RequestRecord: one line per request of the load) and, where clients try again, `attempts*.jsonl` (the same
record with the operation `attempt`: one line per request that was sent for one of those). A torn last
line, left by a kill, is ignored.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, get_args

import orjson

from brownout.harness.base.files import read_regular
from brownout.harness.errors import BrownoutError, FileError
from brownout.harness.record.credentials import parse
from brownout.harness.record.details import require_detail
from brownout.harness.record.json_lines import LAST_S, Types, damaged, read_lines, require_time, require_types
from brownout.identity.core import trail

RequestOutcome = Literal["happened", "refused", "unknown"]
REQUESTS_IN_BLOCK = 128  # are written together
LATE, GENERATOR_FAULT = "late", "generator-fault"
NOT_SENT = frozenset({LATE, GENERATOR_FAULT})  # `error` of a request that the generator itself could not send


class RequestRecord(NamedTuple):
    """One request of the load. Times are emulated epoch seconds; `latency_ms` is network time from the intended send.

    `outcome`: `happened` (the answer is a success), `refused` (the answer is an error, or the connection was
    refused), `unknown` (no answer). `trail` names the nodes that served it, hop by hop:
    `node;build;key id;key kind;cache`, hops joined by `>`. `credentials` tells which were wanted, given and shown
    (brownout.harness.record.credentials).
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
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at emulated time `at_s`.

    `kind` is one of `run`, `phase`, `act` (a fault or operator's step going through its life cycle), `probe`, `canary`,
    `load`, `gate`, `look` (at the nodes' own state: run/state_watch.py), `note`; `what` is the event's name within its kind
    (`intended`, `applied`, `bitten`, `released`, `healed`, ...); `subject` is the fault, node or cohort concerned; `detail`
    holds the rest.
    """

    at_s: float
    kind: str
    what: str
    subject: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


_REQUEST_FIELDS = RequestRecord._fields
_ALL_FIELDS = itemgetter(*_REQUEST_FIELDS)
_in_order = itemgetter(*map(_REQUEST_FIELDS.index, ("intended_s", "id")))
_REQUEST_TYPES: Types = (str, str, str, str, str, str, float, float, float, float, int, str, str, str, str, str)
_OUTCOMES = get_args(RequestOutcome)
_EVENT_FIELDS = ("at_s", "kind", "what", "subject", "detail")
_EVENT_TYPES: Types = (float, str, str, str, dict)


def to_line(record: RequestRecord) -> str:
    """The record as one line of JSON with its keys in alphabetical order, so that equal histories are equal bytes."""
    return _request_line(record).decode()


def _request_line(record: RequestRecord) -> bytes:
    # Spelt out and not sorted for every request: one is written for each request of a load.
    plain = {
        "cohort": record.cohort,
        "credentials": record.credentials,
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


class RecordLost(BrownoutError):
    """The record of a run could not be written in `folder`, as on a full disk; without it there is no verdict."""

    def __init__(self, folder: Path, problem: str) -> None:
        hint = "make room, or name another folder with --out"
        super().__init__(f"the run has no verdict, because its record in {folder} cannot be written: {problem}", hint=hint)
        self.folder, self.problem = folder, problem


class RequestSink(Protocol):
    """Where a load's requests and attempts are recorded; `flush` puts all of them where a reader finds them."""

    def request(self, record: RequestRecord) -> None: ...
    def attempt(self, record: RequestRecord) -> None: ...
    def flush(self) -> None: ...


class _RequestLog:
    """A log of requests that is being written; when it `keeps`, it knows what was written."""

    def __init__(self, path: Path, *, keeps: bool) -> None:
        self.path, self.records = path, list[RequestRecord]()
        self._file: BinaryIO = path.open("ab")
        self._block: list[bytes] = []
        self._written = blake2b(digest_size=16) if keeps and self._file.tell() == 0 else None
        self._sound: bool | None = None  # of a log that is whole; None until it was asked for

    def add(self, record: RequestRecord) -> None:
        """Takes a record, for the file with the next block or `flush`; raises OSError."""
        self._block.append(_request_line(record))
        if self._written is not None:
            self.records.append(record)
        if len(self._block) == REQUESTS_IN_BLOCK:
            self.flush()

    def flush(self) -> None:
        """Puts what was added into the file; raises OSError."""
        block = b"".join(self._block)
        self._block.clear()
        self._file.write(block)
        self._file.flush()
        if self._written is not None:
            self._written.update(block)

    def close(self) -> None:
        """Raises OSError."""
        try:
            self.flush()
        finally:
            self._file.close()

    def tells(self) -> bool:
        """Whether a reader of the file finds `records` in it: it is byte for byte what was written, and of records in order."""
        try:
            content = read_regular(self.path)
        except OSError:  # as the reader will tell
            return False
        written = self._written is not None and blake2b(content, digest_size=16).digest() == self._written.digest()
        if written and self._sound is None:
            self._sound = _are_sound(self.records)
        return written and bool(self._sound)


_last_kept: dict[Path, _RequestLog] = {}  # the logs of the newest recorder of this process that kept its requests


class Recorder:
    """Writes a run's history, line by line, during the run.

    A write that fails raises nothing, because what is under way has to end in order: `lost` says why, nothing more is written,
    and `require_whole` raises once everything is reverted. `heard` is called with each event, once it is written.
    When it `keeps`, the requests stay in memory until another that keeps is closed: `read_history` takes them from there
    while the logs are byte for byte what was written.
    """

    def __init__(self, folder: Path, heard: Callable[[Event], None] | None = None, *, keeps: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.lost = folder, ""
        self._heard, self._keeps = heard, keeps
        self._events: BinaryIO = (folder / "events.jsonl").open("ab")
        self._requests = _RequestLog(folder / "requests.jsonl", keeps=keeps)
        self._attempts: _RequestLog | None = None

    def event(self, event: Event) -> None:
        """Writes an event, to the file at once: a killed run still tells how far it came."""
        if not self.lost:
            self._trying(lambda: self._events.write(_event_line(event)))
            self._trying(self._events.flush)
        if self._heard is not None:
            self._heard(event)

    def request(self, record: RequestRecord) -> None:
        """Writes a request, to the file with the next block or `flush`."""
        if not self.lost:
            try:
                self._requests.add(record)
            except OSError as error:
                self.lost = error.strerror or str(error)

    def attempt(self, record: RequestRecord) -> None:
        """Writes one attempt of a request, to the file with the next block or `flush`."""
        if not self.lost:
            self._attempts = log = self._attempts or _RequestLog(self.folder / "attempts.jsonl", keeps=self._keeps)
            self._trying(lambda: log.add(record))

    def _logs(self) -> list[_RequestLog]:
        return [self._requests, *filter(None, [self._attempts])]

    def _files(self) -> list[BinaryIO | _RequestLog]:
        return [self._events, *self._logs()]

    def flush(self) -> None:
        for file in self._files():
            self._trying(file.flush)

    def close(self) -> None:
        for file in self._files():
            self._trying(file.close)
        if self._keeps:
            _last_kept.clear()
            _last_kept.update({log.path: log for log in self._logs()})

    def require_whole(self) -> None:
        """Raises RecordLost when anything could not be written."""
        if self.lost:
            raise RecordLost(self.folder, self.lost)

    def _trying(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.lost = self.lost or error.strerror or str(error)


@dataclass(frozen=True, slots=True)
class History:
    """A run's whole record, requests and attempts ordered by intended time, events by the time they were recorded."""

    events: tuple[Event, ...]
    requests: tuple[RequestRecord, ...]
    attempts: tuple[RequestRecord, ...] = ()

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
    """The history of a run folder, finished or killed; raises FileNotFoundError when there is none.

    Raises FileError for a line that is damaged, and for a request that is there twice, as in a log that was copied: it would
    count twice.
    """
    log = folder / "events.jsonl"
    if not log.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(log))
    events = tuple(event for _, event in read_lines(log, _event))
    logs = sorted(folder.glob("requests*.jsonl"))
    requests = [request for log in logs for request in _requests_in(log)]
    if len({request.id for request in requests}) < len(requests):
        raise _repeated(logs)
    attempts = [each for log in sorted(folder.glob("attempts*.jsonl")) for each in _requests_in(log)]
    return History(events, in_order(requests), in_order(attempts))


def in_order(records: Iterable[RequestRecord]) -> tuple[RequestRecord, ...]:
    """Records as a history has them: by the times for which they were meant."""
    return tuple(sorted(records, key=_in_order))


def as_read(event: Event) -> Event:
    """The event as `read_history` makes it of its line; raises TypeError and ValueError for one that it would refuse."""
    return _event(orjson.loads(_event_line(event)))


def _requests_in(log: Path) -> Iterable[RequestRecord]:
    kept = _last_kept.get(log)
    return kept.records if kept is not None and kept.tells() else (request for _, request in read_lines(log, _request))


def _event(raw: Mapping[str, Any]) -> Event:
    event = Event(raw["at_s"], raw["kind"], raw["what"], raw.get("subject", ""), raw.get("detail", {}))
    values = (event.at_s, event.kind, event.what, event.subject, event.detail)
    if tuple(map(type, values)) != _EVENT_TYPES or not math.isfinite(event.at_s):
        require_types(_EVENT_FIELDS, values, _EVENT_TYPES)
    require_time(event.at_s)
    require_detail(event.kind, event.what, event.detail)
    return event


def _request(raw: Mapping[str, Any]) -> RequestRecord:
    """The record of a line: unknown keys are ignored, and fields that older logs lack have their defaults."""
    try:
        record = RequestRecord._make(_ALL_FIELDS(raw))  # nearly every line has every field
    except KeyError:
        record = RequestRecord(**{name: raw[name] for name in _REQUEST_FIELDS if name in raw})
    if tuple(map(type, record)) != _REQUEST_TYPES:
        require_types(_REQUEST_FIELDS, record, _REQUEST_TYPES)
    require_time(record.intended_s)
    if record.outcome not in _OUTCOMES:
        raise ValueError(f"outcome should be one of {', '.join(_OUTCOMES)}, not {record.outcome!r}")
    parse(record.credentials)
    _check_trail(record.trail)
    return record


def _are_sound(records: Iterable[RequestRecord]) -> bool:
    """Whether `_request` would find nothing wrong with the line of any; what many have in common is looked at once."""
    for record in records:
        if tuple(map(type, record)) != _REQUEST_TYPES:
            return False
        if not (0 <= record.intended_s < LAST_S and math.isfinite(record.sent_s + record.done_s + record.latency_ms)):
            return False
    try:
        for text in {record.credentials for record in records}:
            parse(text)
        for text in {record.trail for record in records}:
            _check_trail(text)
    except ValueError:
        return False
    return {record.outcome for record in records} <= set(_OUTCOMES)


def require_sound(records: Sequence[RequestRecord]) -> None:
    """Raises TypeError and ValueError for the first record whose line `read_history` would refuse."""
    if not _are_sound(records):
        for record in records:
            _request(orjson.loads(_request_line(record)))


@lru_cache(maxsize=65_536)  # trails name no request
def _check_trail(text: str) -> None:
    trail.check(text)


def _repeated(logs: Iterable[Path]) -> FileError:
    """The error for the first line whose request is in an earlier one. Read again, because only then do places matter."""
    seen: dict[str, tuple[Path, int]] = {}
    for log in logs:
        for line, request in read_lines(log, _request):
            first, first_line = seen.setdefault(request.id, (log, line))
            if (first, first_line) != (log, line):
                there = f"line {first_line}" if first == log else f"{first.name}:{first_line}"
                return damaged(log, line, f"request {request.id} is also in {there}, so it would count twice")
    raise AssertionError("only called for logs with a repeated request")
