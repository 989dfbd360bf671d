"""Results in the query protocol's XML.

A handler's result is a mapping by the members of the output shape. A member that the shape lacks, or a required one that is
missing, is an error of the handler and fails an assertion. Members that are None are left out.
Wire facts: docs/reference/aws-wire.md#query-results.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from brownout.identity.aws.protocol.shapes import Member, Shape

WriteXml = Callable[[Any], str]  # from a value to its element
Fill = Callable[[list[Any]], str]  # from the values of a structure's members, which it may overwrite, to its element
FILLERS_MAX = 64
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"}


def escaped(text: str) -> str:
    """Text for the inside of an element; what XML 1.0 cannot hold at all becomes U+FFFD."""
    return text if _is_plain(text) else _SPECIAL.sub(lambda found: _ESCAPES.get(found.group(), "\ufffd"), text)


def _is_plain(text: str) -> bool:
    """Nothing in it needs an escape, as in nearly all text."""
    return text.isascii() and text.isprintable() and "<" not in text and "&" not in text and ">" not in text


def writer_of(shape: Shape, wire: str) -> WriteXml:
    """What writes values of the shape as elements named `wire`."""
    if shape.type in _COMPOUND:
        return _COMPOUND[shape.type](shape, wire)
    opening, text_of, closing = f"<{wire}>", _SCALARS[shape.type], f"</{wire}>"
    return lambda value: f"{opening}{text_of(value)}{closing}"


def iso_time(epoch_s: float) -> str:
    """`2030-01-01T00:00:00Z`: UTC, in whole seconds."""
    return _iso_second(math.floor(epoch_s))


@lru_cache(maxsize=256)  # many answers share a second
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _structure(shape: Shape, wire: str) -> WriteXml:
    known = {member.name: member for member in shape.members}
    required = frozenset(member.name for member in shape.members if member.required)
    fillers: dict[tuple[str, ...], Fill] = {}  # by the members that are given: a handler has few ways to fill a structure

    def write(value: Mapping[str, Any]) -> str:
        given = tuple(value)
        fill = fillers.get(given)
        if fill is None:
            assert required <= value.keys(), f"{shape.name} lacks {sorted(required - value.keys())}"
            assert value.keys() <= known.keys(), f"{shape.name} has no {sorted(value.keys() - known.keys())}"
            fill = _filler([known[name] for name in given], wire)
            if len(fillers) < FILLERS_MAX:
                fillers[given] = fill
        values = list(value.values())
        if None in values:
            return write({name: each for name, each in value.items() if each is not None})
        return fill(values)

    return write


def _filler(members: Sequence[Member], wire: str) -> Fill:
    """What puts the values of these members, none of which is None, into the places that a text has for them."""
    parts, texts, written = [], [], []
    for place, member in enumerate(members):
        kind, element = member.shape.type, f"<{member.wire}>%s</{member.wire}>"
        parts.append("%s" if kind in _COMPOUND else element)
        if kind == "string":
            texts.append(place)
        else:
            written.append((place, writer_of(member.shape, member.wire) if kind in _COMPOUND else _SCALARS[kind]))
    form = f"<{wire}>{''.join(parts)}</{wire}>"

    def fill(values: list[Any]) -> str:
        if texts and not _is_plain("".join([values[place] for place in texts])):
            for place in texts:
                values[place] = escaped(values[place])
        for place, write in written:
            values[place] = write(values[place])
        return form % tuple(values)

    def fill_texts(values: list[str]) -> str:
        return form % tuple(values if _is_plain("".join(values)) else map(escaped, values))

    return fill if written else fill_texts


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
