"""Shapes: the types of a service model, with their constraints and their names on the wire.

A shape is a scalar, a structure of members, a list of one element or a map. Models of these services have no shape that
contains itself, which `ShapeTable` asserts, so a shape is a finite tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RawShape = Mapping[str, Any]  # a part of a model file
COMPOUND = frozenset({"structure", "list", "map"})


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a structure; `wire` is its name in a request and in an answer."""

    name: str
    wire: str
    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One type. `minimum` and `maximum` bound a number's value or the length of anything else. `hidden` values are not shown.

    `element` is a list's element or a map's value. `element_wire` is the name of a list's element or of a map's entry, ""
    for a flattened one, whose elements are numbered without a name.
    """

    name: str
    type: str
    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()
    hidden: bool = False
    members: tuple[Member, ...] = ()
    element: Shape | None = None
    element_wire: str = ""
    key: Shape | None = None
    key_wire: str = ""
    value_wire: str = ""

    @property
    def is_scalar(self) -> bool:
        return self.type not in COMPOUND


class ShapeTable:
    """The shapes of one model, each made when it is first asked for. `hides_values` hides those of all, not of secrets only."""

    def __init__(self, raw: Mapping[str, RawShape], hides_values: bool = False) -> None:
        self._raw = raw
        self._hides_values = hides_values
        self._made: dict[str, Shape] = {}
        self._open: list[str] = []

    def __getitem__(self, name: str) -> Shape:
        """The shape; raises KeyError where the model has none of that name."""
        if name not in self._made:
            assert name not in self._open, f"the shape {name} contains itself"
            self._open.append(name)
            self._made[name] = self._make(name, self._raw[name])
            self._open.pop()
        return self._made[name]

    def _make(self, name: str, raw: RawShape) -> Shape:
        flattened = bool(raw.get("flattened"))
        entry = "member" if raw["type"] == "list" else "entry"
        key, value = raw.get("key"), raw.get("value")
        element = raw.get("member") or value
        return Shape(
            name,
            raw["type"],
            raw.get("min"),
            raw.get("max"),
            raw.get("pattern", ""),
            tuple(raw.get("enum", ())),
            self._hides_values or bool(raw.get("sensitive")),
            self._members(raw),
            self[element["shape"]] if element else None,
            "" if flattened else (element or {}).get("locationName", entry) if entry == "member" else entry,
            self[key["shape"]] if key else None,
            (key or {}).get("locationName", "key"),
            (value or {}).get("locationName", "value"),
        )

    def _members(self, raw: RawShape) -> tuple[Member, ...]:
        required = raw.get("required", ())
        return tuple(
            Member(name, self._wire(name, member), self[member["shape"]], name in required)
            for name, member in raw.get("members", {}).items()
        )

    def _wire(self, name: str, member: RawShape) -> str:
        """A flattened list goes by the name of its elements, where they have one."""
        shape = self._raw[member["shape"]]
        flattened = shape.get("member", {}).get("locationName") if shape.get("flattened") else None
        return str(flattened or member.get("locationName", name))
