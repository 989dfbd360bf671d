"""Settings of a stack on a command line: `token_alg=RS256`, `builds.sydney=2.0`, `extra_resources=api://a,api://b`.

The type of a setting's default decides how its text is read. The service's own validation decides which values are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.plain import parse_number
from brownout.harness.errors import UsageError
from brownout.harness.operate.fault_args import split_assignment
from brownout.identity.core.settings import Settings

PLANTED = "planted"
_WORDS = {"true": True, "false": False}


def spoken_settings(texts: Iterable[str], *, over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` with the written settings on top; raises UsageError, with a suggestion, for an unknown setting."""
    defaults = Settings()
    known = {field.name: getattr(defaults, field.name) for field in fields(Settings)}
    found = dict(over)
    for text in texts:
        name, key, value = split_assignment(text)
        if name not in known:
            raise UsageError(f"there is no setting {name!r}", hint=did_you_mean(name, known))
        if name == PLANTED:
            raise UsageError("bugs are planted for the search alone", hint="`brownout search --plant BUG` does it")
        if isinstance(known[name], Mapping):
            if not key:
                raise UsageError(f"{name} is set region by region", hint=f"such as {name}.sydney=2.0")
            found[name] = {**found.get(name, {}), key: value}
        elif key:
            raise UsageError(f"{name} has no parts", hint=f"write {name}=VALUE")
        else:
            found[name] = _value(name, value, known[name])
    return found


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() not in _WORDS:
            raise UsageError(f"{name} is true or false, not {text!r}")
        return _WORDS[text.lower()]
    if isinstance(default, float):
        try:
            return parse_number(text)
        except ValueError as wrong:
            raise UsageError(f"{name} is a number: {wrong}") from None
    return [part.strip() for part in text.split(",")] if isinstance(default, tuple) else text
