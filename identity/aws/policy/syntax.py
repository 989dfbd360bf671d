"""The grammar of policy documents: which elements there are and of which types, before anything is said about their values.

Wire facts: docs/reference/aws-wire.md#malformed-policy-documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.errors import AwsError, malformed_policy_document
from brownout.identity.aws.policy.conditions import split_operator

SYNTAX = "Syntax errors in policy."
VERSION_2008, VERSION_2012 = "2008-10-17", "2012-10-17"
VERSIONS = (VERSION_2008, VERSION_2012)

POLICY_ELEMENTS = frozenset({"Version", "Id", "Statement"})
STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})

Conditions = Mapping[str, Mapping[str, tuple[str, ...]]]  # operator -> key -> values


@dataclass(frozen=True, slots=True)
class WrittenStatement:
    """A statement as it is written, with lists for what may be one value or several; None is an element that is absent."""

    sid: str
    effect: str
    actions: tuple[str, ...] | None
    has_not_action: bool
    resources: tuple[str, ...] | None
    has_not_resource: bool
    principals: tuple[tuple[str, str], ...] | None  # type and value
    has_not_principal: bool
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """`version` is "" when the document has none, which means the older one."""

    version: str
    id: str
    statements: tuple[WrittenStatement, ...]

    @property
    def has_variables(self) -> bool:
        return self.version == VERSION_2012


def syntax_error() -> AwsError:
    return malformed_policy_document(SYNTAX)


def read_policy(raw: object) -> WrittenPolicy:
    """The document of parsed JSON. Raises AwsError MalformedPolicyDocument for what the grammar does not know."""
    policy = _object(raw, POLICY_ELEMENTS)
    version = _text(policy.get("Version", ""))
    if "Version" in policy and version not in VERSIONS:
        raise syntax_error()
    statements = policy.get("Statement", ())
    listed = statements if isinstance(statements, list) else [statements]
    if not listed:
        raise syntax_error()
    return WrittenPolicy(version, _text(policy.get("Id", "")), tuple(_statement(each) for each in listed))


def _statement(raw: object) -> WrittenStatement:
    found = _object(raw, STATEMENT_ELEMENTS)
    actions, has_not_action = _either(found, "Action")
    resources, has_not_resource = _either(found, "Resource")
    principal, has_not_principal = _either(found, "Principal")
    return WrittenStatement(
        sid=_text(found.get("Sid", "")),
        effect=_effect(found.get("Effect")),
        actions=None if actions is None else _texts(actions),
        has_not_action=has_not_action,
        resources=None if resources is None else _texts(resources),
        has_not_resource=has_not_resource,
        principals=None if principal is None else _principals(principal),
        has_not_principal=has_not_principal,
        conditions=_conditions(found.get("Condition", {})),
    )


def _object(raw: object, known: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(raw, dict) or not known.issuperset(raw):
        raise syntax_error()
    return raw


def _either(found: Mapping[str, Any], name: str) -> tuple[Any, bool]:
    """The value of `name` or of `NotName`, and whether it was the latter; both at once are refused."""
    negated = f"Not{name}"
    if name in found and negated in found:
        raise syntax_error()
    value = found.get(name, found.get(negated))
    if value is None and (name in found or negated in found):
        raise syntax_error()
    return value, negated in found


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise syntax_error()
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in raw) if isinstance(raw, list) else (_text(raw),)


def _effect(raw: object) -> str:
    """The effect as written; one in wrong case passes here, for a later step refuses it in other words."""
    effect = _text(raw)
    if effect.lower() not in ("allow", "deny"):
        raise syntax_error()
    return effect


def _principals(raw: object) -> tuple[tuple[str, str], ...]:
    if raw == "*":
        return (("AWS", "*"),)
    by_type = _object(raw, PRINCIPAL_TYPES)
    return tuple((kind, value) for kind, values in by_type.items() for value in _texts(values))


def _conditions(raw: object) -> Conditions:
    """The conditions. An operator without keys says nothing and may have any name."""
    if not isinstance(raw, dict):
        raise syntax_error()
    for name, keys in raw.items():
        if not isinstance(keys, dict) or (keys and split_operator(name) is None):
            raise syntax_error()
    return {name: {key: _values(values) for key, values in keys.items()} for name, keys in raw.items()}


def _values(raw: object) -> tuple[str, ...]:
    return tuple(_value(each) for each in raw) if isinstance(raw, list) else (_value(raw),)


def _value(raw: object) -> str:
    """Text, or the text of a number or a boolean."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise syntax_error()
        return repr(raw)
    return str(raw) if isinstance(raw, int) else _text(raw)
