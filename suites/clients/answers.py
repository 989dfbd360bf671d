"""The answers of IMDS that clients are measured with, and the outages that they are in with a token of some age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOUR_S = 3600.0
EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """`fault` has the parameters of `imds-answer`; with none IMDS is well. `refused`: nothing listens instead."""

    name: str
    title: str
    fault: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    refused: bool = False


def _status(status: int) -> Answer:
    return Answer(str(status), f"{status} for ever", {"status": status})


def _flaw(flaw: str, title: str) -> Answer:
    return Answer(flaw, title, {"flaw": flaw})


ANSWERS = (
    Answer("ok", "200"),
    _flaw("no-expires-in", "200 without `expires_in`"),
    _flaw("no-resource", "200 without `resource`"),
    _flaw("refresh-in-text", "200 with `refresh_in` as text"),
    _flaw("short-life", "200 with a life of 200 s"),
    _flaw("html", "200 with HTML"),
    _flaw("bad-json", "200 with bad JSON"),
    _flaw("empty", "200 with nothing"),
    *map(_status, (400, 401, 403, 405, 404, 408, 410, 429, 500, 502, 503, 504)),
    Answer("429-after-3", "429 with `Retry-After: 3`", {"status": 429, "retry_after": "3s"}),
    Answer("503-after-7", "503 with `Retry-After: 7`", {"status": 503, "retry_after": "7s"}),
    Answer("400-after-3", "400 with `Retry-After: 3`", {"status": 400, "retry_after": "3s"}),
    Answer("410-1", "410 once, then 200", {"status": 410, "times": 1}),
    Answer("410-3", "410 three times, then 200", {"status": 410, "times": 3}),
    Answer("503-3", "503 three times, then 200", {"status": 503, "times": 3}),
    _flaw("dropped", "the connection ends without an answer"),
    _flaw("cut-off", "the connection ends within the answer"),
    Answer("refused", "nothing listens", refused=True),
)
# How old a token of 24 h is when its client asks for it again while IMDS gives these answers.
AGES: Mapping[str, float] = {"11 h": 11 * HOUR_S, "17 h 30 min": 17.5 * HOUR_S, "23 h 57 min": 23.95 * HOUR_S}
OUTAGES = tuple(answer for answer in ANSWERS if answer.name in ("500", "400", "refused"))
