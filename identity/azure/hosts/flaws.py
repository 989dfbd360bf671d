"""Flaws in answers: a token answer that is malformed, lacks a field or breaks off, on every endpoint alike.

Real clients break on these in different ways (docs/reference/real-clients.md#flawed-answers), so a fault can ask for one of
them. A flaw is made in the answer that the endpoint would give, so all else in it is right: `FLAWS` has one line for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.core.messages import JSON_TYPE, Response

SHORT_LIFE_S = 200
AnswerFields = dict[str, Any]
MakeFlaw = Callable[[Response, float], Response]
ShowsFlaw = Callable[[Response, float], bool]
_HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class AnswerFlaw:
    """What it makes of an answer, and whether it shows in one; both are told the time of the stack's clock.

    A flaw in a token answer shows in no other. Those of `NOT_WHOLE` show in none, because no answer comes.
    """

    make: MakeFlaw
    shows: ShowsFlaw


def _html(answer: Response, _now_s: float) -> Response:
    """The answer with a proxy's page in place of its payload."""
    return Response.raw(answer.status, _lines(answer, "text/html"), _HTML)


def _bad_json(answer: Response, _now_s: float) -> Response:
    """The answer without its last brace."""
    return Response.raw(answer.status, _lines(answer, JSON_TYPE), answer.payload.rstrip()[:-1])


def _cut_off(answer: Response, _now_s: float) -> Response:
    """The answer of which half arrives, and then the connection ends."""
    return answer.cut_short(max(1, len(answer.payload) // 2))


def _fields(change: Callable[[AnswerFields, float], AnswerFields]) -> MakeFlaw:
    """An answer whose fields are changed; one without a token stays as it is."""

    def make(answer: Response, now_s: float) -> Response:
        if not _has_token(answer):
            return answer
        changed = change(dict(answer.body or {}), now_s)
        return Response.raw(answer.status, _lines(answer, JSON_TYPE), json.dumps(changed).encode())

    return make


def _without(*names: str) -> MakeFlaw:
    return _fields(lambda fields, _: {name: value for name, value in fields.items() if name not in names})


def _short_life(fields: AnswerFields, now_s: float) -> AnswerFields:
    """The token's life as if it had 200 s left: less than the five minutes before its end at which clients drop a token."""
    shorter = {"expires_on": str(int(now_s) + SHORT_LIFE_S), "expires_in": str(SHORT_LIFE_S)}
    return fields | {name: value for name, value in shorter.items() if name in fields}


def _refresh_in_text(fields: AnswerFields, _now_s: float) -> AnswerFields:
    return fields | {"refresh_in": str(int(fields.get("expires_in") or 7200) // 2)}


def _lines(answer: Response, media_type: str) -> tuple[tuple[bytes, bytes], ...]:
    """The answer's header lines with another type of payload."""
    kept = tuple(line for line in answer.raw_headers if line[0].lower() != b"content-type")
    return (*kept, (b"content-type", f"{media_type}; charset=utf-8".encode()))


def _has_token(answer: Response) -> bool:
    return answer.body is not None and "access_token" in answer.body


def _lacks(name: str) -> ShowsFlaw:
    return lambda answer, _: _has_token(answer) and name not in (answer.body or {})


def _is_short(answer: Response, now_s: float) -> bool:
    ends = str((answer.body or {}).get("expires_on", ""))
    return ends.isdigit() and int(ends) - now_s <= SHORT_LIFE_S


FLAWS: Mapping[str, AnswerFlaw] = {
    "html": AnswerFlaw(_html, lambda answer, _: answer.media_type == "text/html"),
    "bad-json": AnswerFlaw(_bad_json, lambda answer, _: answer.body is None and answer.payload.startswith(b"{")),
    "empty": AnswerFlaw(lambda answer, _: answer.emptied(), lambda answer, _: answer.payload == b""),
    "no-expires-in": AnswerFlaw(_without("expires_in", "ext_expires_in"), _lacks("expires_in")),
    "no-expires-on": AnswerFlaw(_without("expires_on"), _lacks("expires_on")),
    "no-resource": AnswerFlaw(_without("resource"), _lacks("resource")),
    "no-token": AnswerFlaw(_without("access_token"), lambda answer, _: answer.ok and not _has_token(answer)),
    "refresh-in-text": AnswerFlaw(
        _fields(_refresh_in_text), lambda answer, _: isinstance((answer.body or {}).get("refresh_in"), str)
    ),
    "short-life": AnswerFlaw(_fields(_short_life), _is_short),
    "cut-off": AnswerFlaw(_cut_off, lambda *_: False),
    "dropped": AnswerFlaw(lambda answer, _: answer.dropped(), lambda *_: False),
}
NOT_WHOLE = ("cut-off", "dropped")
