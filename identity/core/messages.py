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
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

from brownout.identity.core.records import Json

EMPTY: Mapping[str, str] = {}
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
PATH_SAFE = "/:@!$&'()*+,;=~"  # what RFC 3986 allows in a path as it is
KNOWN_QUERIES, KNOWN_QUERY_MAX = 512, 512  # how many queries are remembered as fields, and of how many characters at most
EXACT_DIGITS = 18  # integers of more digits may not fit into 64 bits
TRAIL = "x-brownout-trail"  # the header that says which nodes served an answer (core/trail.py)
_TRAIL_BYTES = TRAIL.encode()
OF_THE_CONNECTION = (b"content-length", b"transfer-encoding", b"connection")  # header lines that each connection writes itself
_NO_HEADER = bytes(set(range(0x20)) - set(b"\t\r\n") | {0x7F})  # what no header can hold, beside a line break

CallFailure = Literal["refused", "reset", "timeout"]
HeaderLines = tuple[tuple[bytes, bytes], ...]
Fields = tuple[tuple[str, str], ...]

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:  # noqa: N801  # it is the standard library's, which takes a lock in Python 3.11: half its time
        """An attribute that is computed when it is first asked for."""

        def __init__(self, compute):
            self._compute, self._name = compute, compute.__name__
            self.__doc__ = compute.__doc__

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            found = instance.__dict__[self._name] = self._compute(instance)
            return found


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
        lines = self.raw_headers
        found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in lines}
        if len(found) == len(lines):  # nearly always
            return found
        found = {}
        for name, value in lines:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    @cached_property
    def raw_by_name(self) -> Mapping[bytes, bytes]:
        """The values of the header lines by lower-case name, the last one of a doubled name."""
        return {name.lower(): value for name, value in self.raw_headers}

    def header(self, name: str) -> str:
        """The value that `headers` has, "" for none: of what was received only this line is decoded."""
        if "headers" in self.__dict__ or len(self.raw_by_name) != len(self.raw_headers):
            return self.headers.get(name, "")
        return self.raw_by_name.get(name.encode(), b"").decode("latin-1")

    @cached_property
    def raw_headers(self) -> HeaderLines:
        """The header lines in their order, doubled names included; raises ValueError for what no header can hold.

        Length and host are missing in a message that was not received: they are the connection's business.
        """
        lines = _encoded(self.headers)
        if self.body is not None and "content-type" not in self.headers:
            lines.append((b"content-type", self.media_type_made.encode()))
        return tuple(lines)

    @cached_property
    def payload(self) -> bytes:
        """The payload as it stands on the wire; raises TypeError or ValueError for a value that JSON cannot express."""
        return b"" if self.body is None else encode_json(self.body)

    @cached_property
    def body(self) -> Json | None:
        """The JSON object or the form fields that the payload holds (the last one of a name); None for any other."""
        try:
            return self._parsed()
        except ValueError:
            return None

    @property
    def media_type(self) -> str:
        """The payload's type in lower case without parameters, "" when there is none."""
        given = self.header("content-type") or dict(self.raw_headers).get(b"content-type", b"").decode("latin-1")
        return given.partition(";")[0].strip().lower()

    @cached_property
    def form(self) -> Fields:
        """The fields of a form in their order, doubled names included; empty for any other payload."""
        if self.media_type != FORM_TYPE:
            return ()
        return tuple(parse_qsl(self.payload.decode("latin-1"), keep_blank_values=True))

    def _parsed(self) -> Json | None:
        if self.media_type == FORM_TYPE:
            return dict(self.form)
        return decode_json(self.payload) if self.payload else None

    def with_headers(self, added: Mapping[str, str]) -> Self:
        """The same message with these headers, in place of others of the same (lower-case) names."""
        other = object.__new__(type(self))
        known = other.__dict__
        known.update(self.__dict__)
        for name in ("header_block", "raw_by_name", "_sealed", "_encoded"):
            known.pop(name, None)
        if "raw_headers" in known:  # raw first: a doubled name elsewhere must stay doubled
            new = _encoded(added)
            names = dict(new)
            known["raw_headers"] = (*[line for line in self.raw_headers if line[0].lower() not in names], *new)
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
        body: Json | None = None,
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
        made.method, made.target = method, target
        made.raw_headers = tuple(headers)
        made.payload = payload
        return made

    @cached_property
    def target(self) -> str:
        """The path and query as they stand on the wire."""
        path = _quoted(self.path, PATH_SAFE)
        return f"{path}?{urlencode(self.query, quote_via=_quoted)}" if self.query else path

    @cached_property
    def path(self) -> str:
        """The path without escapes."""
        return "/" if self.target == "/" else unquote(self.target.partition("?")[0])

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
        query = self.target.partition("?")[2]
        return _fields_of(query) if len(query) <= KNOWN_QUERY_MAX else _read_fields(query)

    @property
    def has_doubled_fields(self) -> bool:
        """True when a name of the query comes twice."""
        return "target" in self.__dict__ and len(self.query_fields) != len(self.query)

    @cached_property
    def body(self) -> Json | None:
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
    """One answer: status, headers, payload.

    `sent_bytes` is for answers that are wrong on purpose: so many bytes of the payload are sent, and then the connection ends.
    Less than none of it means that not even the head is sent.
    `may_be_empty` lets an error leave without a payload.
    """

    media_type_made = "application/json; charset=utf-8"
    sent_bytes: int | None = None
    may_be_empty = False

    def __init__(self, status: int, body: Json | None = None, headers: Mapping[str, str] = EMPTY) -> None:
        """An answer made from values: `body` a JSON object or nothing, header names in lower case."""
        self.status = status
        self.headers = headers
        self.body = body

    @classmethod
    def raw(cls, status: int, headers: Iterable[tuple[bytes, bytes]] = (), payload: bytes = b"") -> Self:
        """An answer exactly as it stands on the wire."""
        made = cls.__new__(cls)
        made.status, made.raw_headers = status, tuple(headers)
        made.payload = payload
        return made

    @cached_property
    def header_block(self) -> bytes:
        """The header lines as they leave, without those of the connection; raises ValueError for one that cannot be sent."""
        lines = [b"%b: %b\r\n" % line for line in self.raw_headers if line[0].lower() not in OF_THE_CONNECTION]
        block = b"".join(lines)
        is_clean = len(block.translate(None, _NO_HEADER)) == len(block)
        if not is_clean or not block.count(b"\r") == block.count(b"\n") == len(lines):  # each line ends once
            raise ValueError("a header holds a line break or a control character")
        return block

    def sealed(self, trail: str) -> Response:
        """The answer with its trail. One that is given again and again is sealed once."""
        known = self.__dict__.get("_sealed")
        if known is None or known[0] != trail:
            known = self.__dict__["_sealed"] = (trail, self._with_trail(trail))
        sealed: Response = known[1]
        assert sealed.status == self.status, "a trail changes nothing else"
        return sealed

    def _with_trail(self, trail: str) -> Response:
        """`with_headers` of the trail; an answer that no other node has answered has none to be replaced."""
        lines = self.__dict__.get("raw_headers")
        if lines is None:
            made = Response(self.status, self.body, {**self.headers, TRAIL: trail})
        elif _TRAIL_BYTES in dict(lines):
            return self.with_headers({TRAIL: trail})
        else:
            made = Response.raw(self.status, (*lines, (_TRAIL_BYTES, trail.encode("latin-1"))), self.payload)
        if "header_block" in self.__dict__:
            made.header_block = self.header_block + trail_line(trail)
        if self.sent_bytes is not None or self.may_be_empty:
            made.sent_bytes, made.may_be_empty = self.sent_bytes, self.may_be_empty
        return made

    def cut_short(self, sent_bytes: int) -> Response:
        """The same answer, of which only so many bytes of the payload arrive."""
        other = self.with_headers(EMPTY)
        other.sent_bytes = sent_bytes
        return other

    def dropped(self) -> Response:
        """The same answer, of which nothing arrives."""
        return self.cut_short(-1)

    def emptied(self) -> Response:
        """The same answer without a payload, also where it is an error."""
        other = Response.raw(self.status, self.raw_headers)
        other.may_be_empty = True
        return other

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def _raw(self) -> tuple[object, ...]:
        return (self.status, *super()._raw())

    def __repr__(self) -> str:
        return f"Response({self.status}, {dict(self.headers)!r}, {self.payload!r})"


def _read_fields(query: str) -> Fields:
    return tuple(parse_qsl(query, keep_blank_values=True))


_fields_of = lru_cache(maxsize=KNOWN_QUERIES)(_read_fields)  # clients repeat themselves
_quoted = lru_cache(maxsize=KNOWN_QUERIES)(quote)  # and so do nodes, about the same identities
trail_line = lru_cache(maxsize=256)(lambda trail: Response(200, None, {TRAIL: trail}).header_block)  # a node has few


def encode_json(value: Json) -> bytes:
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


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _integer(digits: str) -> int | float:
    """An integer, or the nearest float where it may be too large to be stored as one."""
    return int(digits) if len(digits) <= EXACT_DIGITS else _float(digits)


def _float(text: str) -> float:
    """The number; raises ValueError for one that is too large, which could not be encoded again."""
    found = float(text)
    if not isfinite(found):
        raise ValueError(f"{text[:20]}... is too large a number")
    return found


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=dict)
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_no_constant)
