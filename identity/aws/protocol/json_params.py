"""Parameters of a call in the JSON protocol: from a JSON object to typed values.

Wire facts: docs/reference/aws-wire.md#json-requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.query_params import read_base64
from brownout.identity.aws.protocol.shapes import Shape

ReadJson = Callable[[Any], Any]


def reader_of(shape: Shape) -> ReadJson:
    """What reads a value of JSON as a value of the shape; it raises SerializationException for what is no such value."""
    if shape.type in _COMPOUND:
        return _COMPOUND[shape.type](shape)
    return _SCALARS[shape.type]


def malformed(message: str) -> AwsError:
    return AwsError.of("SerializationException", message)


def _kind(value: Any) -> str:
    """The kind of a value as messages name it."""
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    if value is None:
        return "NULL_VALUE"
    return "NUMBER_VALUE" if isinstance(value, int) else "DECIMAL_VALUE"


def _refuse_compound(value: Any) -> None:
    """Raises SerializationException for a list or an object, which stand where neither may."""
    if isinstance(value, Mapping):
        raise malformed("Start of structure or map found where not expected.")
    if isinstance(value, list):
        raise malformed("Start of list found where not expected")


def _scalar(name: str, *types: type) -> ReadJson:
    """A reader of values of exactly these types (True is no integer)."""

    def read(value: Any) -> Any:
        if type(value) in types:
            return value
        _refuse_compound(value)
        raise malformed(f"{_kind(value)} can not be converted to {name}")

    return read


def _blob() -> ReadJson:
    read_text = _scalar("a Blob", str)

    def read(value: Any) -> bytes:
        try:
            return read_base64(read_text(value))
        except ValueError:
            raise malformed("Invalid base64 encoded value") from None

    return read


def _structure(shape: Shape) -> ReadJson:
    rows = tuple((member.name, member.wire, reader_of(member.shape)) for member in shape.members)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _refuse_compound(value)
            raise malformed("Expected null")
        found = {}
        for name, wire, read_member in rows:
            given = value.get(wire)
            if given is not None:  # null is as good as absent
                found[name] = read_member(given)
        return found

    return read


def _list(shape: Shape) -> ReadJson:
    assert shape.element is not None, shape.name
    read_element = reader_of(shape.element)

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _refuse_compound(value)
            raise malformed("Expected list or null")
        return tuple(read_element(each) for each in value)

    return read


def _map(shape: Shape) -> ReadJson:
    assert shape.element is not None, shape.name
    read_value = reader_of(shape.element)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _refuse_compound(value)
            raise malformed("Expected map or null")
        return {key: read_value(each) for key, each in value.items()}

    return read


_COMPOUND: Mapping[str, Callable[[Shape], ReadJson]] = {"structure": _structure, "list": _list, "map": _map}
_SCALARS: Mapping[str, ReadJson] = {
    "string": _scalar("a String", str),
    "integer": _scalar("an Integer", int),
    "long": _scalar("a Long", int),
    "float": _scalar("a Float", int, float),
    "double": _scalar("a Double", int, float),
    "boolean": _scalar("a Boolean", bool),
    "blob": _blob(),
    "timestamp": _scalar("a Timestamp", int, float),
}
