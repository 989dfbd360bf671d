"""Records whose JSON form is made from the fields of their class.

Such a record is a frozen dataclass whose fields are texts, numbers, booleans, bytes, other records, and tuples or mappings of
them. So its form is decided by its annotations, and no class writes it twice. Bytes become base 64; a field that a writer
did not know keeps its default, and one that a reader does not know is ignored, so that records outlive versions.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from brownout.identity.core.records import Json

Read = Callable[[Any], Any]
Form = tuple[tuple[str, Read, bool], ...]


@dataclass(frozen=True, slots=True)
class FormedRecord:
    """A record with one JSON form, by its fields."""

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name, _, _ in _form(type(self))}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        """The record with that JSON form; raises KeyError, TypeError or ValueError for what is no such record."""
        return cls(**{name: read(raw[name]) for name, read, optional in _form(cls) if not optional or name in raw})


def make_forms() -> None:
    """Makes the forms of all kinds of records that are imported, so that processes that are forked later share them.

    To read the annotations of what one node is sent takes longer than to read what it is sent.
    """
    kinds: list[type[FormedRecord]] = [FormedRecord]
    while kinds:
        kind = kinds.pop()
        _form(kind)
        kinds += kind.__subclasses__()


def _form(kind: type[FormedRecord]) -> Form:
    """Per field its name, how it is read, and whether it may be missing."""
    known = _FORMS.get(kind)
    if known is None:
        hints = get_type_hints(kind)
        known = _FORMS[kind] = tuple(
            (field.name, _reader(hints[field.name]), field.default is not MISSING or field.default_factory is not MISSING)
            for field in fields(kind)
        )
    return known


def _reader(hint: Any) -> Read:
    """How a value of the annotated type is read from its JSON form."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is UnionType:
        inner = _reader(next(part for part in parts if part is not NoneType))
        return lambda raw: None if raw is None else inner(raw)
    if origin is tuple:
        read = _reader(parts[0])
        return lambda raw: tuple(read(item) for item in raw)
    if origin is Mapping:
        read = _reader(parts[1])
        return lambda raw: {str(name): read(item) for name, item in raw.items()}
    if hint in _PLAIN:
        return _PLAIN[hint]
    assert issubclass(hint, FormedRecord), f"a record has no field of type {hint}"
    read_record: Read = hint.from_json
    return read_record


def _plain(value: Any) -> Any:
    """The JSON form of one field's value."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, FormedRecord):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value]


_FORMS: dict[type[FormedRecord], Form] = {}  # by class, made when a record of it is first read or written
_PLAIN: Mapping[Any, Read] = {str: str, int: int, float: float, bool: bool, bytes: base64.b64decode}
