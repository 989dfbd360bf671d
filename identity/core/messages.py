"""What nodes say to each other and to clients: HTTP messages as values, and the three ways in which a call can fail.

A message has two forms. *Raw* is what stands on the wire: the target with its escapes, header lines as pairs of bytes in
their order, the payload's bytes. That is what a signature covers, and what carries XML, text, forms and binary data.
*Parsed* is what a node works with: path, query, headers by lower-case name, a JSON object. A message is made from either
form and computes the other when it is first asked for, at most once. So a message that stays inside one process, as all
do in the simulation, is never encoded.

Messages are values: nothing may change one after it was made. `with_headers` makes another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

EMPTY: Mapping[str, str] = {}
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
PATH_SAFE = "/:@!$&'()*+,;=~"  # what RFC 3986 allows in a path as it is
EXACT_DIGITS = 18  # integers of more digits may not fit into 64 bits

CallFailure = Literal["refused", "reset", "timeout"]
HeaderLines = tuple[tuple[bytes, bytes], ...]
Fields = tuple[tuple[str, str], ...]


class BadPayload(Exception):
    """The payload of a request is not the JSON object that was expected; the text says why."""


class CallFailed(Exception):
    """A call had no answer.

    `refused` certainly did not happen; `reset` and `timeout` may or may not have happened.
    """

    def __init__(self, failure: CallFailure, target: str) -> None:
        super().__init__(f"{failure} calling {target}")
        self.failure: CallFailure = failure
        self.target = target


class Message:
    """What requests and answers share: headers and a payload, each raw and parsed."""

    # A cached property yields to an attribute of the same name, so each __init__ sets those that its caller knows.

    media_type_made = JSON_TYPE

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Values by lower-case name; the values of a name that comes twice are joined by commas, as RFC 9110 allows.

        A message made from a JSON value has no `content-type` here, unless its maker gave one.
        """
        found: dict[str, str] = {}
        for name, value in self.raw_headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    @cached_property
    def raw_headers(self) -> HeaderLines:
        """The header lines in their order, doubled names included; raises ValueError for what no header can hold.

        Length and host are missing in a message that was not received: they are the connection's business.
        """
        lines = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items())
        if self.body is None or "content-type" in self.headers:
            return lines
        return (*lines, (b"content-type", self.media_type_made.encode()))

    @cached_property
    def payload(self) -> bytes:
        """The payload as it stands on the wire; raises TypeError or ValueError for a value that JSON cannot express."""
        return b"" if self.body is None else encode_json(self.body)

    @cached_property
    def body(self) -> Mapping[str, Any] | None:
        """The JSON object or the form fields that the payload holds (the last one of a name); None for any other."""
        try:
            return self._parsed()
        except ValueError:
            return None

    @property
    def media_type(self) -> str:
        """The payload's type in lower case without parameters, "" when there is none."""
        given = self.headers.get("content-type") or dict(self.raw_headers).get(b"content-type", b"").decode("latin-1")
        return given.partition(";")[0].strip().lower()

    @cached_property
    def form(self) -> Fields:
        """The fields of a form in their order, doubled names included; empty for any other payload."""
        if self.media_type != FORM_TYPE:
            return ()
        return tuple(parse_qsl(self.payload.decode("latin-1"), keep_blank_values=True))

    def _parsed(self) -> Mapping[str, Any] | None:
        if self.media_type == FORM_TYPE:
            return dict(self.form)
        return decode_json(self.payload) if self.payload else None

    def with_headers(self, added: Mapping[str, str]) -> Self:
        """The same message with these headers, in place of others of the same (lower-case) names."""
        other = object.__new__(type(self))
        known = other.__dict__
        known.update(self.__dict__)
        if "raw_headers" in known:  # raw first: a doubled name elsewhere must stay doubled
            new = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in added.items())
            names = {name for name, _ in new}
            known["raw_headers"] = (*(line for line in self.raw_headers if line[0].lower() not in names), *new)
            known.pop("headers", None)
        else:
            known["headers"] = {**self.headers, **added}
        return other

    def _raw(self) -> tuple[object, ...]:
        return (self.raw_headers, self.payload)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._raw() == other._raw()


class Request(Message):
    """One request: method, target, headers, payload."""

    def __init__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """A request made from values: `path` without escapes, header names in lower case, `body` a JSON object."""
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body

    @classmethod
    def raw(cls, method: str, target: str, headers: Iterable[tuple[bytes, bytes]] = (), payload: bytes = b"") -> Self:
        """A request exactly as it stands on the wire; `target` is the escaped path and query."""
        made = cls.__new__(cls)
        made.method = method
        made.target = target
        made.raw_headers = tuple(headers)
        made.payload = payload
        return made

    @cached_property
    def target(self) -> str:
        """The path and query as they stand on the wire."""
        path = quote(self.path, safe=PATH_SAFE)
        return f"{path}?{urlencode(self.query, quote_via=quote)}" if self.query else path

    @cached_property
    def path(self) -> str:
        """The path without escapes."""
        return unquote(self.target.partition("?")[0])

    @property
    def words(self) -> list[str]:
        """The words of the path between its slashes; slashes too many and one at the end make none."""
        return [word for word in self.path.split("/") if word]

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query's values by name; the last one of a name that comes twice."""
        return dict(self.query_fields)

    @cached_property
    def query_fields(self) -> Fields:
        """The query's fields in their order, doubled names and empty values included."""
        if "target" not in self.__dict__:
            return tuple(self.query.items())
        return tuple(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def has_doubled_fields(self) -> bool:
        """True when a name of the query comes twice."""
        return "target" in self.__dict__ and len(self.query_fields) != len(self.query)

    @cached_property
    def body(self) -> Mapping[str, Any] | None:
        """The JSON object or the form fields (the last one of a name) of the payload, None without one.

        Raises BadPayload for any other payload: a surface that takes other types reads `payload`.
        """
        try:
            return self._parsed()
        except ValueError as wrong:
            raise BadPayload(str(wrong)) from None

    def below(self, prefix: str) -> Request:
        """The same request for the path below `prefix`, which needs no escapes."""
        if not prefix:
            return self
        other = object.__new__(Request)
        known = other.__dict__
        known.update(self.__dict__)
        known.update({name: prefix + known[name] for name in ("path", "target") if name in known})
        return other

    def _raw(self) -> tuple[object, ...]:
        return (self.method, self.target, *super()._raw())

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.target!r}, {dict(self.headers)!r}, {self.payload!r})"


class Response(Message):
    """One answer: status, headers, payload."""

    media_type_made = "application/json; charset=utf-8"

    def __init__(self, status: int, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = EMPTY) -> None:
        """An answer made from values: `body` a JSON object or nothing, header names in lower case."""
        self.status = status
        self.headers = headers
        self.body = body

    @classmethod
    def raw(cls, status: int, headers: Iterable[tuple[bytes, bytes]] = (), payload: bytes = b"") -> Self:
        """An answer exactly as it stands on the wire."""
        made = cls.__new__(cls)
        made.status = status
        made.raw_headers = tuple(headers)
        made.payload = payload
        return made

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def _raw(self) -> tuple[object, ...]:
        return (self.status, *super()._raw())

    def __repr__(self) -> str:
        return f"Response({self.status}, {dict(self.headers)!r}, {self.payload!r})"


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Compact JSON; raises TypeError or ValueError for what JSON cannot express, such as NaN."""
    return _ENCODER.encode(value).encode()


def decode_json(payload: bytes) -> dict[str, Any]:
    """The JSON object in `payload`; raises ValueError for anything else, also for what could not be encoded again."""
    try:
        found = _DECODER.decode(payload.decode())
        if b"\\u" in payload:
            _ENCODER.encode(found).encode()  # an escaped half of a surrogate pair is no text
    except (ValueError, RecursionError) as wrong:
        raise ValueError(f"The request content is not valid JSON: {wrong}.") from None
    if not isinstance(found, dict):
        raise ValueError(f"The request content must be a JSON object, not {type(found).__name__}.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _integer(digits: str) -> int | float:
    """An integer, or the nearest float where it may be too large to be stored as one."""
    return int(digits) if len(digits) <= EXACT_DIGITS else float(digits)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=dict)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)
