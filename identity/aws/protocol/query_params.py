"""Parameters of a call in the query protocol: from the tree of a request's fields to typed values.

Wire facts: docs/reference/aws-wire.md#query-requests, docs/reference/aws-wire.md#malformed-input.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.forms import FormNode
from brownout.identity.aws.protocol.shapes import Shape

ReadForm = Callable[[FormNode], Any]
MAX_INDEX = 214_748_369  # of an element of a list
_NO_MEMBER = ("", None)
MAX_GAP = 10  # elements that a list may leave out in one place
_DIGITS = re.compile(r"[0-9]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_BITS = {"integer": 31, "long": 63}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def reader_of(shape: Shape) -> ReadForm:
    """What reads a node of the tree as a value of the shape; it raises MalformedInput for what is no such value."""
    return _COMPOUND[shape.type](shape) if shape.type in _COMPOUND else _scalar(shape)


def malformed(message: str) -> AwsError:
    return AwsError.of("MalformedInput", message)


def _scalar(shape: Shape) -> ReadForm:
    read = _SCALARS[shape.type]

    def read_scalar(node: FormNode) -> Any:
        if not isinstance(node, str):
            raise malformed("Start of structure or map found where not expected.")
        return read(node)

    return read_scalar


def _integer(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if _INTEGER.fullmatch(text):
            number = int(text)
            if -(1 << bits) <= number < 1 << bits:
                return number
        raise malformed("" if text else "missing value for decimal type")

    return read


def _boolean(text: str) -> bool:
    found = _BOOLEANS.get(text)
    if found is None:
        raise malformed("boolean must follow xsd1.1 definition" if text else "missing value for boolean type")
    return found


def _float(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise malformed("" if text else "missing value for decimal type")
    return found


def read_base64(text: str) -> bytes:
    """The bytes that `text` spells; raises ValueError for what is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise ValueError(str(wrong)) from None


def _blob(text: str) -> bytes:
    try:
        return read_base64(text)
    except ValueError:
        raise malformed("") from None


def _timestamp(text: str) -> float:
    """Seconds since 1970, of an ISO 8601 time (UTC where it names no offset)."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise malformed("timestamp must follow ISO8601") from None


def _structure(shape: Shape) -> ReadForm:
    rows = tuple((member.name, member.wire, reader_of(member.shape)) for member in shape.members)
    by_wire = {
        wire: (name, None if member.shape.type == "string" else read_member)
        for member, (name, wire, read_member) in zip(shape.members, rows, strict=True)
    }

    def read(node: FormNode) -> dict[str, Any]:
        if isinstance(node, str):
            raise malformed("Unexpected complex element termination")
        found: dict[str, Any] = {}
        for wire, given in node.items():  # few of the members are given: nearly all requests need no more than this
            name, read_member = by_wire.get(wire, _NO_MEMBER)
            if name and (read_member is not None or not isinstance(given, str)):
                return in_order(node)
            if name:
                found[name] = given
        return found

    def in_order(node: Mapping[str, FormNode]) -> dict[str, Any]:
        """What the members are, in the order of the model: the first that is malformed is the one that the refusal names."""
        return {name: read_member(given) for name, wire, read_member in rows if (given := node.get(wire)) is not None}

    return read


def _list(shape: Shape) -> ReadForm:
    assert shape.element is not None, shape.name
    read_element, wire = reader_of(shape.element), shape.element_wire
    left_out: FormNode = "" if shape.element.is_scalar else {}

    def read(node: FormNode) -> tuple[Any, ...]:
        return tuple([read_element(each) for each in _numbered(node, wire, left_out)])

    return read


def _map(shape: Shape) -> ReadForm:
    assert shape.key is not None, shape.name
    assert shape.element is not None, shape.name
    read_key, read_value = reader_of(shape.key), reader_of(shape.element)
    wire, key_wire, value_wire = shape.element_wire, shape.key_wire, shape.value_wire

    def read(node: FormNode) -> dict[str, Any]:
        found = {}
        for entry in _numbered(node, wire, {}):
            key = None if isinstance(entry, str) else entry.get(key_wire)
            if isinstance(entry, str) or key is None:
                raise malformed("Unexpected map element termination")
            found[read_key(key)] = read_value(entry.get(value_wire, ""))
        return found

    return read


def _numbered(node: FormNode, wire: str, left_out: FormNode) -> list[FormNode]:
    """The elements of a list in the order of their numbers. An empty value is an empty list."""
    elements: FormNode | None = node
    if wire and isinstance(node, Mapping):
        elements = node.get(wire) if len(node) == 1 else None
    if elements == "":
        return []
    if not isinstance(elements, Mapping):
        raise malformed("Unexpected list element termination")
    found: list[FormNode] = []
    for number in sorted(map(_index, elements)):
        skipped = number - max(len(found), 1)
        if skipped > MAX_GAP:
            raise malformed(f"Excessively sparse input would skip {skipped:,} list elements")
        found += [left_out] * (number - 1 - len(found))
        found.append(elements[str(number)])
    return found


def _index(word: str) -> int:
    if not _DIGITS.fullmatch(word):
        raise malformed("Start of list found where not expected")
    if word[0] == "0":
        raise malformed("0 is not a valid index" if word == "0" else "Value found where not expected")
    if len(word) > len(str(MAX_INDEX)) or int(word) > MAX_INDEX:
        raise malformed(f"Index {word} is illegal")
    return int(word)


_COMPOUND: Mapping[str, Callable[[Shape], ReadForm]] = {"structure": _structure, "list": _list, "map": _map}
_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer(_BITS["integer"]),
    "long": _integer(_BITS["long"]),
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}
