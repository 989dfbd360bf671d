"""Results in the JSON protocol. The same contract as that of `xml_results`: a handler's error fails an assertion.

Wire facts: docs/reference/aws-wire.md#json-results.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brownout.identity.aws.protocol.shapes import Shape

WriteJson = Callable[[Any], Any]  # from a value to its value in JSON
MILLISECONDS = 3  # digits of a time


def writer_of(shape: Shape) -> WriteJson:
    """What writes values of the shape."""
    return _COMPOUND[shape.type](shape) if shape.type in _COMPOUND else _SCALARS.get(shape.type, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


def _structure(shape: Shape) -> WriteJson:
    known = {member.name: (member.wire, writer_of(member.shape)) for member in shape.members}
    required = frozenset(member.name for member in shape.members if member.required)

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        assert required <= value.keys(), f"{shape.name} lacks {sorted(required - value.keys())}"
        assert value.keys() <= known.keys(), f"{shape.name} has no {sorted(value.keys() - known.keys())}"
        written = {}
        for name, given in value.items():
            if given is not None:
                wire, write_member = known[name]
                written[wire] = write_member(given)
        return written

    return write


def _list(shape: Shape) -> WriteJson:
    assert shape.element is not None, shape.name
    write_element = writer_of(shape.element)

    def write(value: Iterable[Any]) -> list[Any]:
        return [write_element(each) for each in value]

    return write


def _map(shape: Shape) -> WriteJson:
    assert shape.element is not None, shape.name
    write_value = writer_of(shape.element)

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: write_value(each) for key, each in value.items()}

    return write


_COMPOUND: Mapping[str, Callable[[Shape], WriteJson]] = {"structure": _structure, "list": _list, "map": _map}
_SCALARS: Mapping[str, WriteJson] = {
    "blob": lambda value: base64.b64encode(value).decode(),
    "timestamp": lambda value: round(value, MILLISECONDS),
}
