"""Results in the query protocol's XML.

A handler's result is a mapping by the members of the output shape. A member that the shape lacks, or a required one that is
missing, is an error of the handler and fails an assertion. Members that are None are left out.
Wire facts: docs/reference/aws-wire.md#query-results.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from brownout.identity.aws.protocol.shapes import Member, Shape

WriteXml = Callable[[Any], str]  # from a value to its element
Fill = Callable[[list[Any]], str]  # from the values of a structure's members, which it may overwrite, to its element
FILLERS_MAX = 64
AS_THEY_ARE = frozenset({"string", "integer", "long"})  # `%s` writes a number as `str` does; texts are looked at together
_QUOTES = len('""')
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"}


def escaped(text: str) -> str:
    """Text for the inside of an element; what XML 1.0 cannot hold at all becomes U+FFFD."""
    return text if _is_plain(text) else _SPECIAL.sub(lambda found: _ESCAPES.get(found.group(), "\ufffd"), text)


def _is_plain(text: str) -> bool:
    """Nothing in it needs an escape, as in nearly all text.

    JSON escapes all that XML cannot hold of ASCII, and its writer looks at many characters at a time.
    """
    is_plain = text.isascii() and len(orjson.dumps(text)) == len(text) + _QUOTES
    return is_plain and not ("&" in text or "<" in text or ">" in text)


def writer_of(shape: Shape, wire: str) -> WriteXml:
    """What writes values of the shape as elements named `wire`."""
    if shape.type in _COMPOUND:
        return _COMPOUND[shape.type](shape, wire)
    opening, text_of, closing = f"<{wire}>", _SCALARS[shape.type], f"</{wire}>"
    return lambda value: f"{opening}{text_of(value)}{closing}"


def iso_time(epoch_s: float) -> str:
    """`2030-01-01T00:00:00Z`: UTC, in whole seconds."""
    return _iso_second(math.floor(epoch_s))


@lru_cache(maxsize=4096)  # many answers share a second, and the runs of a search have theirs in common
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _structure(shape: Shape, wire: str) -> WriteXml:
    """A structure is filled together with those right in it, so that all of their texts are looked at once."""
    inner = frozenset(member.name for member in shape.members if member.shape.type == "structure")
    fillers: dict[tuple[tuple[str, ...], ...], Fill] = {}  # by the members that are given: a handler has few ways to fill them

    def write(value: Mapping[str, Any]) -> str:
        given, values = [tuple(value)], []
        for name, each in value.items():
            if name in inner and each is not None:
                given.append(tuple(each))
                values += each.values()
            else:
                values.append(each)
        if not all(values) and None in values:  # to look for None takes three times as long
            return write(_without_none(value, inner))
        fill = fillers.get(key := tuple(given))
        if fill is None:
            fill = _filler(shape, value, wire)
            if len(fillers) < FILLERS_MAX:
                fillers[key] = fill
        return fill(values)

    return write


def _without_none(value: Mapping[str, Any], inner: Collection[str]) -> dict[str, Any]:
    kept = {name: each for name, each in value.items() if each is not None}
    return kept | {name: _without_none(kept[name], ()) for name in inner if name in kept}


def _filler(shape: Shape, value: Mapping[str, Any], wire: str) -> Fill:
    """What puts values of the members that `value` has, none of which is None, into the places that a text has for them."""
    places: list[Member] = []
    form = _form(shape, value, wire, places, deep=True)
    texts = [place for place, member in enumerate(places) if member.shape.type == "string"]
    others = [(place, member) for place, member in enumerate(places) if member.shape.type not in AS_THEY_ARE]
    written = [(place, _writer_at(member)) for place, member in others]

    def fill(values: list[Any]) -> str:
        if texts and not _is_plain("".join([values[place] for place in texts])):
            for place in texts:
                values[place] = escaped(values[place])
        for place, write in written:
            values[place] = write(values[place])
        return form % tuple(values)

    def fill_texts(values: list[str]) -> str:
        return form % tuple(values if _is_plain("".join(values)) else map(escaped, values))

    return fill if len(texts) < len(places) else fill_texts


def _form(shape: Shape, value: Mapping[str, Any], wire: str, places: list[Member], *, deep: bool) -> str:
    """The element with places (`%s`) for what `value` has; `places` gets their members. With `deep` a structure has none."""
    known = {member.name: member for member in shape.members}
    required = {member.name for member in shape.members if member.required}
    assert required <= value.keys(), f"{shape.name} lacks {sorted(required - value.keys())}"
    assert value.keys() <= known.keys(), f"{shape.name} has no {sorted(value.keys() - known.keys())}"
    parts = []
    for name, each in value.items():
        member = known[name]
        if deep and member.shape.type == "structure":
            parts.append(_form(member.shape, each, member.wire, places, deep=False))
        else:
            parts.append("%s" if member.shape.type in _COMPOUND else f"<{member.wire}>%s</{member.wire}>")
            places.append(member)
    return f"<{wire}>{''.join(parts)}</{wire}>"


def _writer_at(member: Member) -> Callable[[Any], str]:
    """What writes a member's value into its place."""
    kind = member.shape.type
    return writer_of(member.shape, member.wire) if kind in _COMPOUND else _SCALARS[kind]


def _list(shape: Shape, wire: str) -> WriteXml:
    assert shape.element is not None, shape.name
    write_element = writer_of(shape.element, shape.element_wire or wire)

    def write(value: Iterable[Any]) -> str:
        inside = "".join([write_element(each) for each in value])
        return f"<{wire}>{inside}</{wire}>" if shape.element_wire else inside

    return write


def _map(shape: Shape, wire: str) -> WriteXml:
    assert shape.key is not None, shape.name
    assert shape.element is not None, shape.name
    entry = shape.element_wire or wire
    write_key, write_value = writer_of(shape.key, shape.key_wire), writer_of(shape.element, shape.value_wire)

    def write(value: Mapping[Any, Any]) -> str:
        entries = [f"<{entry}>{write_key(key)}{write_value(each)}</{entry}>" for key, each in value.items()]
        inside = "".join(entries)
        return f"<{wire}>{inside}</{wire}>" if shape.element_wire else inside

    return write


_COMPOUND: Mapping[str, Callable[[Shape, str], WriteXml]] = {"structure": _structure, "list": _list, "map": _map}
_SCALARS: Mapping[str, Callable[[Any], str]] = {
    "string": escaped,
    "integer": str,
    "long": str,
    "float": str,
    "double": str,
    "boolean": lambda value: "true" if value else "false",
    "blob": lambda value: base64.b64encode(value).decode(),
    "timestamp": iso_time,
}
