"""Faults on a command line: from `--target` and `--with` to a fault's parameters, and from a fault to its usage line.

A fault declares which of its parameters `--target` fills (`Fault.target`). The others are written `NAME=VALUE`. A value for a
parameter that is not text is read as YAML, so `status=429`, `set.force_managed_key=true` and `regions=sydney,melbourne` mean
the same as in an experiment file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

from pydantic import ValidationError

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.plain import text_flaw
from brownout.harness.base.pydantic_errors import explain
from brownout.harness.errors import FileError, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import BlastRadius
from brownout.harness.experiment.yaml_file import FileErrors, read_value
from brownout.harness.fault import Duration, Fault

Schema = Mapping[str, Any]


def spoken_fault(kind: str, target: str | None, settings: Iterable[str]) -> Fault:
    """The fault of that kind with what was written; raises UsageError that shows how the kind is written."""
    try:
        found = plugins.fault_class(kind)
    except UsageError as wrong:
        raise UsageError(wrong.message, hint=f"{wrong.hint}; `brownout faults` lists them all") from None
    try:
        params = _assigned(found, settings)
        _add_target(found, target, params)
        return plugins.fault(kind, params)
    except UsageError as wrong:
        hint = f"{wrong.hint}; " if wrong.hint else ""
        raise UsageError(wrong.message, hint=f"{hint}it is written: brownout inject {usage(found)}") from None


def named_fault(kind: str, target: str | None, parameters: Mapping[str, Any]) -> Fault:
    """The fault of that kind with parameters of code, and those that a target fills; raises UsageError as `spoken_fault`."""
    found = plugins.fault_class(kind)
    params = dict(parameters)
    _add_target(found, target, params)
    return plugins.fault(kind, params)


def usage(kind: type[Fault]) -> str:
    """How a fault of this kind is written, what may be left out in brackets: `zone-kill --target REGION.ZONE`."""
    words = [kind.kind, *_target_words(kind)]
    for name in kind.model_fields:
        if name not in kind.target:
            word = f"--with {name}={_placeholder(kind, name)}"
            words.append(word if _is_required(kind, name) else f"[{word}]")
    return " ".join(words)


def field_lines(kind: type[Fault]) -> list[str]:
    """A line for each field of the fault: its name, how its value is written, what it means, its bounds and default."""
    width = max((len(name) for name in kind.model_fields), default=0)
    return [f"{name:<{width}}  {_placeholder(kind, name):<12} {_meaning(kind, name)}" for name in kind.model_fields]


def _meaning(kind: type[Fault], name: str) -> str:
    field = kind.model_fields[name]
    unit = " s" if _placeholder(kind, name) == "DURATION" else ""
    said = [field.description or ("what it is done to" if name in kind.target else "")]
    for key, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        said += [f"{words} {getattr(bound, key):g}{unit}" for bound in field.metadata if hasattr(bound, key)]
    if field.is_required():
        said.append("required")
    else:
        default = field.get_default(call_default_factory=True)
        said.append("may be left out" if default is None else f"default {default}{unit}")
    return "; ".join(filter(None, said))


def split_assignment(text: str) -> tuple[str, str, str]:
    """`name`, key within it and value of `NAME=VALUE` or `NAME.KEY=VALUE`; raises UsageError."""
    left, equals, value = text.partition("=")
    name, _, key = left.strip().partition(".")
    if not equals or not name:
        raise UsageError(f"{text!r} is no assignment", hint="write NAME=VALUE")
    if flaw := text_flaw(text):
        raise UsageError(f"{name}: {flaw}")
    return name, key, value.strip()


def spoken_radius(assignments: Iterable[str]) -> BlastRadius:
    """How much may be broken at once, with what was written (`faults=12`, `nodes_down=1`) in place of the defaults; raises
    UsageError.
    """
    said: dict[str, str] = {}
    for text in assignments:
        name, _, said[name] = split_assignment(text)
    try:
        return BlastRadius.model_validate({name: _parsed(value, name) for name, value in said.items()})
    except ValidationError as error:
        first = explain(error, BlastRadius.model_json_schema())[0]
        raise UsageError(f"--at-once: {first}", hint="such as --at-once faults=12, or --at-once nodes_down=1") from None


def _require_known(kind: type[Fault], params: Iterable[str]) -> None:
    """Raises UsageError for a parameter that the fault does not have."""
    for name in params:
        if name not in kind.model_fields:
            raise UsageError(f"{kind.kind} has no parameter {name!r}", hint=did_you_mean(name, ("target", *kind.model_fields)))


def _target_words(kind: type[Fault]) -> list[str]:
    if not kind.target:
        return []
    text = ""
    for name in kind.target:
        word = ("." if text else "") + name.upper()
        text += word if _is_required(kind, name) or not text else f"[{word}]"
    return [f"--target {text}"] if _is_required(kind, kind.target[0]) else [f"[--target {text}]"]


def _assigned(kind: type[Fault], settings: Iterable[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for text in settings:
        name, key, value = split_assignment(text)
        if not key and name in params:
            raise UsageError(f"{name} is given twice")
        if key:
            table = params.setdefault(name, {})
            if not isinstance(table, dict) or key in table:
                raise UsageError(f"{name}.{key} is given twice")
            table[key] = _parsed(value, name)
        else:
            params[name] = _value(kind, name, value)
    return params


def _add_target(kind: type[Fault], target: str | None, params: dict[str, Any]) -> None:
    """Fills the parameters that `--target` names. Without a target, `params` must have those that are required.

    Raises UsageError.
    """
    if target is None:
        missing = [name for name in kind.target if _is_required(kind, name) and name not in params]
        if missing:
            _require_known(kind, params)  # a misspelt word may be the target's own
            raise UsageError(f"{kind.kind} needs a target")
        return
    if not kind.target:
        raise UsageError(f"{kind.kind} takes no target")
    parts = target.split(".", len(kind.target) - 1)
    for name, part in zip(kind.target, parts, strict=False):
        if name in params:
            raise UsageError(f"{name} is given twice, by --target and by --with")
        params[name] = _value(kind, name, part)
    if lacking := [name for name in kind.target if _is_required(kind, name) and name not in params]:
        raise UsageError(f"the target {target!r} does not say which {lacking[0]}")


def _value(kind: type[Fault], name: str, text: str) -> Any:
    """The text converted to the parameter's type. An unknown name is not an error here: the fault's own validation says so."""
    schema = _schema(kind, name)
    if schema.get("type") == "array" and not text.startswith("["):
        return [part.strip() for part in text.split(",")]
    return text if schema.get("type") == "string" else _parsed(text, name)


def _parsed(text: str, name: str) -> Any:
    if not text.strip():
        return None
    try:
        return read_value(text)
    except FileErrors as several:
        wrong = several.errors[0]
    except FileError as one:
        wrong = one
    problem = wrong.problem.partition("\n")[0]
    raise UsageError(f"{name}={text}: {problem}", hint=wrong.hint or "lists are [a, b], tables {key: value}")


def _schema(kind: type[Fault], name: str) -> Schema:
    """The JSON schema of the parameter; of an optional one, that of its value."""
    found: Schema = kind.model_json_schema().get("properties", {}).get(name, {})
    return next((option for option in found.get("anyOf", ()) if option.get("type") != "null"), found)


def _is_required(kind: type[Fault], name: str) -> bool:
    return kind.model_fields[name].is_required()


def _placeholder(kind: type[Fault], name: str) -> str:
    hint = get_type_hints(kind, include_extras=True)[name]
    if Duration in (hint, *get_args(hint)):  # as it is, or "or None"
        return "DURATION"
    schema = _schema(kind, name)
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    return {"integer": "N", "number": "N", "boolean": "true|false", "array": "A,B", "object": "{...}"}.get(
        str(schema.get("type")), "TEXT"
    )
