"""pydantic's errors in the terms of the file that is read, with a suggestion for each misspelt word.

The keys and words that a place allows are read from the model's JSON Schema, so a suggestion can never differ from
what validation accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from brownout.harness.base.hints import closest, did_you_mean

DataPath = tuple[str | int, ...]
JsonSchema = Mapping[str, Any]

_PLAIN = (str, int, float, bool)
_SHOWN_MAX = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `path` of a document; `at_key` when the key is wrong and not its value."""

    path: DataPath
    text: str
    hint: str = ""
    at_key: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}" if self.path else self.text


def dotted(path: DataPath) -> str:
    """`slos[0].name` of `("slos", 0, "name")`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def explain(error: ValidationError, schema: JsonSchema, *, prefix: DataPath = ()) -> tuple[Problem, ...]:
    """Every complaint of `error` as a Problem below `prefix`; `schema` is the JSON Schema of the complaining model.

    A misspelt key is one problem, although to pydantic it is an unknown key and a missing one.
    """
    details = error.errors(include_url=False)
    missing = {_path(detail) for detail in _of_type(details, "missing")}
    misspelt = {_nearest(path, missing) for path in map(_path, _of_type(details, "extra_forbidden"))}
    # pydantic reports a misspelt key twice, as unknown and as missing. The unknown one has a place in the file, so it stays.
    real = [detail for detail in details if _path(detail) not in misspelt and not _is_echo(detail, details)]
    return tuple(_problem(detail, schema, prefix) for detail in real)


def _of_type(details: list[ErrorDetails], kind: str) -> list[ErrorDetails]:
    return [detail for detail in details if detail["type"] == kind]


def _path(detail: ErrorDetails) -> DataPath:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _nearest(path: DataPath, missing: set[DataPath]) -> DataPath | None:
    """The missing key beside `path` that `path` is a misspelling of."""
    beside = [str(other[-1]) for other in missing if other[:-1] == path[:-1]]
    best = closest(str(path[-1]), beside)
    return None if best is None else (*path[:-1], best)


def _is_echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether it only says that a list has too few items because its items were wrong."""
    loc = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in details
    )


def _problem(detail: ErrorDetails, schema: JsonSchema, prefix: DataPath) -> Problem:
    path, kind = _path(detail), detail["type"]
    if kind == "missing":
        return Problem(prefix + path[:-1], f"the key {path[-1]!r} is missing")
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), _keys_at(schema, path[:-1]))
        return Problem(prefix + path, f"there is no key {path[-1]!r} here", hint, at_key=True)
    if kind == "literal_error":
        return Problem(prefix + path, *_wrong_word(detail, schema, path))
    return Problem(prefix + path, _sentence(detail), _quotes(detail), at_key="[key]" in detail["loc"])


def _quotes(detail: ErrorDetails) -> str:
    given = detail["input"]
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return f'write it in quotes: "{given}"' if detail["type"] == "string_type" and is_number else ""


def _wrong_word(detail: ErrorDetails, schema: JsonSchema, path: DataPath) -> tuple[str, str]:
    words = [str(word) for word in _words_at(schema, path)]
    given = detail["input"]
    hint = did_you_mean(given, words) if isinstance(given, str) else ""
    return f"{_shown(given)} is not one of {', '.join(words)}", "" if hint.startswith("known") else hint


def _sentence(detail: ErrorDetails) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    if kind == "too_short":
        return f"at least {detail['ctx']['min_length']} is needed here"
    if kind == "too_long":
        return f"at most {detail['ctx']['max_length']} is allowed here"
    if kind in ("model_type", "model_attributes_type", "mapping_type", "dict_type"):
        return f"keys and values are needed here, not {_shown(given)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(given)} is not written as {detail['ctx']['pattern']}"
    if kind == "string_type":
        return f"text is needed here, not {_shown(given)}"
    if kind in ("tuple_type", "list_type"):
        return f"a list is needed here, not {_shown(given)}"
    return f"{detail['msg'].replace('Input should', 'this should')}, not {_shown(given)}"


def _shown(given: object) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int) and given.bit_length() > 1_000:  # Python writes no such number
        return "a number of hundreds of digits"
    if isinstance(given, _PLAIN):
        return _clipped(repr(given))
    return "a list" if isinstance(given, list | tuple) else "keys and values"


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def _keys_at(schema: JsonSchema, path: DataPath) -> tuple[str, ...]:
    return tuple(_schema_at(schema, path).get("properties", ()))


def _words_at(schema: JsonSchema, path: DataPath) -> tuple[object, ...]:
    found = _schema_at(schema, path)
    return tuple(found.get("enum", (found["const"],) if "const" in found else ()))


def _schema_at(schema: JsonSchema, path: DataPath) -> JsonSchema:
    """The part of the schema that governs `path`, empty when the schema says nothing about it."""
    here = _resolved(schema, schema)
    for part in path:
        here = _resolved(schema, _child(here, part))
    return here


def _child(here: JsonSchema, part: str | int) -> JsonSchema:
    if isinstance(part, int):
        found = here.get("items", {})
    else:
        others = next(iter(here.get("patternProperties", {}).values()), here.get("additionalProperties", {}))
        found = here.get("properties", {}).get(part, others)
    return found if isinstance(found, Mapping) else {}


def _resolved(root: JsonSchema, here: JsonSchema) -> JsonSchema:
    """`here` with its reference followed and "or null" left out."""
    while True:
        if "$ref" in here:
            here = root["$defs"][str(here["$ref"]).rsplit("/", 1)[-1]]
        elif "anyOf" in here:
            here = next((option for option in here["anyOf"] if option.get("type") != "null"), {})
        else:
            return here
