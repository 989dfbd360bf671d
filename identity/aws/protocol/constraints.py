r"""The constraints of a service model, checked in the words of the real services.

Every violation of a call is named in one message, in the order of the model: `2 validation errors detected: Value 'x' at
'roleName' failed to satisfy constraint: Member must have length greater than or equal to 3; Value null at ...`. A scalar in
a list is judged as part of the list; a structure in a list has a place of its own, `tags.1.member.key`. Values that may not
be shown are left out: secrets, and in IAM all of them. Wire facts: docs/reference/aws-wire.md#validation-errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.protocol.java_patterns import compiled
from brownout.identity.aws.protocol.shapes import Member, Shape

ShapeCheck = Callable[[Any, str, list[str]], None]  # of a value at a place; violations are appended
Constraint = tuple[str, Callable[[Any], bool]]  # a constraint in words, and True for a value that keeps it
MAX_SHOWN = 10_000  # characters of a value in a message: a request may be far longer
NOT_NULL = "Member must not be null"
NUMBERS = frozenset({"integer", "long", "float", "double"})


def checked(params: Mapping[str, Any], check: ShapeCheck | None) -> None:
    """Raises ValidationError with all violations of `params`, the input of an operation."""
    if check is None:
        return
    found: list[str] = []
    check(params, "", found)
    if found:
        raise violations(found)


def violations(found: Sequence[str]) -> AwsError:
    """The error that names them all."""
    errors = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
    return validation_error(f"{errors} detected: {'; '.join(found)}")


def check_of(shape: Shape) -> ShapeCheck | None:
    """The check of a shape's values; None where nothing is constrained."""
    if shape.type == "structure":
        return _structure_check(shape)
    if shape.type == "list":
        return _list_check(shape)
    if shape.type == "map":
        return _map_check(shape)
    return _own_check(shape)


def _own_check(shape: Shape) -> ShapeCheck | None:
    """Of the constraints that a shape itself states, whatever it holds."""
    tests = tests_of(shape)
    if not tests:
        return None
    keeps_all = _all_at_once(shape) if shape.type == "string" else None

    def check(value: Any, at: str, found: list[str]) -> None:
        if keeps_all is not None and keeps_all(value):
            return  # as nearly all values
        for words, keeps in tests:
            if not keeps(value):
                found.append(_violation(shape, value, at, words))

    return check


def _all_at_once(shape: Shape) -> Callable[[str], bool] | None:
    """All tests of a text in one; None where it has to be one of some values."""
    if shape.enum:
        return None
    least, most = shape.minimum or 0, shape.maximum or sys.maxsize
    matches = compiled(shape.pattern or r"[\s\S]*").fullmatch
    return lambda text: least <= len(text) <= most and matches(text) is not None


def tests_of(shape: Shape) -> tuple[Constraint, ...]:
    """Each constraint that the shape itself states: bounds, pattern, values."""
    tests = _range_tests(shape) if shape.type in NUMBERS else _length_tests(shape)
    if shape.pattern:
        matches = compiled(shape.pattern).fullmatch
        tests.append((f"Member must satisfy regular expression pattern: {shape.pattern}", lambda text: bool(matches(text))))
    if shape.enum:
        allowed = frozenset(shape.enum)
        tests.append((f"Member must satisfy enum value set: [{', '.join(shape.enum)}]", lambda text: text in allowed))
    return tuple(tests)


def _length_tests(shape: Shape) -> list[Constraint]:
    most, least = shape.maximum, shape.minimum
    tests: list[Constraint] = []
    if most is not None:
        tests.append((f"Member must have length less than or equal to {most}", lambda value: len(value) <= most))
    if least is not None:
        tests.append((f"Member must have length greater than or equal to {least}", lambda value: len(value) >= least))
    return tests


def _range_tests(shape: Shape) -> list[Constraint]:
    most, least = shape.maximum, shape.minimum
    tests: list[Constraint] = []
    if most is not None:
        tests.append((f"Member must have value less than or equal to {most}", lambda value: value <= most))
    if least is not None:
        tests.append((f"Member must have value greater than or equal to {least}", lambda value: value >= least))
    return tests


def _structure_check(shape: Shape) -> ShapeCheck | None:
    rows = tuple(row for member in shape.members if any((row := _row(member))[2:]))
    if not rows:
        return None
    missing = "Value" if shape.hidden else "Value null"
    required = frozenset(name for name, _, is_required, _ in rows if is_required)
    by_name = {name: (place, check_member) for name, place, _, check_member in rows if check_member}

    def check(value: Mapping[str, Any], at: str, found: list[str]) -> None:
        if not at and is_sound(value):
            return
        for name, place, required, check_member in rows:
            given = value.get(name)
            if given is not None:
                if check_member:
                    check_member(given, f"{at}.{place}" if at else place, found)
            elif required:
                found.append(f"{missing} at '{f'{at}.{place}' if at else place}' failed to satisfy constraint: {NOT_NULL}")

    def is_sound(value: Mapping[str, Any]) -> bool:
        """Nothing is wrong with what a request gives, whose members are few. What is wrong is told in the model's order."""
        found: list[str] = []
        for name, given in value.items():
            known = by_name.get(name)
            if given is None:
                return False
            if known is not None:
                known[1](given, known[0], found)
        return not found and required <= value.keys()

    return check


def _row(member: Member) -> tuple[str, str, bool, ShapeCheck | None]:
    return member.name, lower_first(member.name), member.required, check_of(member.shape)


def lower_first(name: str) -> str:
    """A member's name as messages spell it: `sAMLAssertion`."""
    return name[:1].lower() + name[1:]


def _list_check(shape: Shape) -> ShapeCheck | None:
    assert shape.element is not None, shape.name
    own = _own_check(shape)
    inner = check_of(shape.element)
    if shape.element.is_scalar:
        return _both(own, _all_keep(shape, shape.element, "Member"))
    return _both(own, _each(inner) if inner else None)


def _each(inner: ShapeCheck) -> ShapeCheck:
    """A check of elements that have places of their own."""

    def check(value: Sequence[Any], at: str, found: list[str]) -> None:
        for number, each in enumerate(value, 1):
            inner(each, f"{at}.{number}.member", found)

    return check


def _map_check(shape: Shape) -> ShapeCheck | None:
    assert shape.key is not None, shape.name
    assert shape.element is not None, shape.name
    own = _both(_own_check(shape), _all_keep(shape, shape.key, "Map keys"))
    inner = check_of(shape.element)
    if shape.element.is_scalar or inner is None:
        return _both(own, _all_keep(shape, shape.element, "Map value"))
    check_entry = inner

    def check(value: Mapping[str, Any], at: str, found: list[str]) -> None:
        for name, entry in value.items():
            check_entry(entry, f"{at}.{name}.member", found)

    return _both(own, check)


def _all_keep(shape: Shape, part: Shape, subject: str) -> ShapeCheck | None:
    """A check of scalars inside a list or map: one that breaks a constraint makes the whole break all."""
    tests = tests_of(part)
    if not tests:
        return None
    words = f"{subject} must satisfy constraint: [{', '.join(words for words, _ in tests)}]"

    def check(value: Any, at: str, found: list[str]) -> None:
        parts = value.values() if subject == "Map value" else value
        if not all(keeps(each) for each in parts for _, keeps in tests):
            found.append(_violation(shape, value, at, words))

    return check


def _both(first: ShapeCheck | None, second: ShapeCheck | None) -> ShapeCheck | None:
    if first is None or second is None:
        return first or second
    one, other = first, second

    def check(value: Any, at: str, found: list[str]) -> None:
        one(value, at, found)
        other(value, at, found)

    return check


def _violation(shape: Shape, value: Any, at: str, words: str) -> str:
    shown = "" if _is_hidden(shape) else f" {_shown(shape, value)}"
    return f"Value{shown} at '{at}' failed to satisfy constraint: {words}"


def _is_hidden(shape: Shape) -> bool:
    """True when a value may not be shown: a part of it may not."""
    parts = (shape.element, shape.key, *(member.shape for member in shape.members))
    return shape.hidden or any(_is_hidden(part) for part in parts if part)


def _shown(shape: Shape, value: Any) -> str:
    """A value as messages quote it; numbers stand without quotes."""
    text = _plain(shape, value)
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}..."
    return text if shape.type in NUMBERS else f"'{text}'"


def _plain(shape: Shape, value: Any) -> str:
    if shape.type == "list":
        assert shape.element is not None, shape.name
        element = shape.element
        return f"[{', '.join(_plain(element, each) for each in value)}]"
    if shape.type == "map":
        assert shape.element is not None, shape.name
        entries = ", ".join(f"{key}={_plain(shape.element, each)}" for key, each in value.items())
        return f"{{{entries}}}"
    if shape.type == "structure":
        members = (m for m in shape.members if m.name in value)
        return f"{shape.name}({', '.join(f'{lower_first(m.name)}={_plain(m.shape, value[m.name])}' for m in members)})"
    if shape.type == "boolean":
        return "true" if value else "false"
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
