"""A second evaluator of policies, as simple as can be: an oracle for the real one.

It reads the JSON at every question, compiles and remembers nothing, and knows the operators that random policies of the tests
use. It shares no code with the service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Keys = Mapping[str, tuple[str, ...]]  # by lower-case name
WITHOUT_POLICIES = ("service", "federated", "anonymous")


def like(pattern: str, text: str) -> bool:
    """`*` and `?` are wildcards; every way is tried."""
    reached = {0}
    for sign in pattern:
        if sign == "*":
            reached = set(range(min(reached, default=len(text) + 1), len(text) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(text) and sign in ("?", text[at])}
    return len(text) in reached


def filled(pattern: str, keys: Keys, is_new: bool) -> str | None:
    """The pattern with values for variables, None when one has no value. Values of the tests have no wildcards."""
    if not is_new:
        return pattern
    missing = []

    def value(found: re.Match[str]) -> str:
        name, _, default = found[1].partition(",")
        values = keys.get(name.strip().lower(), ())
        if len(values) == 1:
            return values[0]
        if default:
            return default.strip().strip("'")
        missing.append(name)
        return ""

    text = re.sub(r"\$\{([^}]*)\}", value, pattern)
    return None if missing else text


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def compare(operator: str, found: str, wanted: str) -> bool:
    """One value of the request with one of the policy, by a positive operator."""
    if operator == "StringEquals":
        return found == wanted
    if operator == "StringEqualsIgnoreCase":
        return found.lower() == wanted.lower()
    if operator == "StringLike":
        return like(wanted, found)
    if operator == "Bool":
        return found.lower() == wanted.lower() and wanted.lower() in ("true", "false")
    try:
        number, limit = int(found), int(wanted)
    except ValueError:
        return False
    return {"NumericEquals": number == limit, "NumericLessThan": number < limit}[operator]


def condition_holds(operator: str, key: str, wanted: list[str], keys: Keys, is_new: bool) -> bool:
    quantifier, _, plain = operator.rpartition(":")
    found = keys.get(key.lower(), ())
    if plain == "Null":
        return any((value.lower() == "true") == (not found) for value in wanted if value.lower() in ("true", "false"))
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    negated = "Not" in plain
    positive = plain.replace("Not", "")
    values = [filled(value, keys, is_new and positive.startswith("String")) for value in wanted]
    known = [value for value in values if value is not None]
    fits = [any(compare(positive, one, value) for value in known) != negated for one in found]
    if negated and len(known) < len(values):
        fits = [False for _ in found]
    if quantifier and not any(found):
        fits = []
    if quantifier == "ForAllValues":
        return all(fits)
    if quantifier == "ForAnyValue":
        return any(fits)
    if not found:
        return if_exists or negated
    return all(fits) if negated else any(fits)


def applies(statement: Mapping[str, Any], action: str, resource: str, keys: Keys, is_new: bool) -> bool:
    actions = [like(pattern.lower(), action.lower()) for pattern in listed(statement.get("Action", statement.get("NotAction")))]
    if any(actions) != ("Action" in statement):
        return False
    if "Resource" in statement or "NotResource" in statement:
        patterns = [filled(each, keys, is_new) for each in listed(statement.get("Resource", statement.get("NotResource")))]
        known = [each for each in patterns if each is not None]
        if any(like(each, resource) for each in known) != ("Resource" in statement):
            return False
        if "NotResource" in statement and len(known) < len(patterns):
            return False
    return all(
        condition_holds(operator, key, listed(wanted), keys, is_new)
        for operator, of_keys in statement.get("Condition", {}).items()
        for key, wanted in of_keys.items()
    )


def effects(text: str, action: str, resource: str, keys: Keys) -> list[tuple[str, Any]]:
    """Effect and principal of each statement that applies."""
    policy = json.loads(text)
    is_new = policy.get("Version") == "2012-10-17"
    return [
        (statement["Effect"], statement.get("Principal"))
        for statement in listed(policy["Statement"])
        if applies(statement, action, resource, keys, is_new)
    ]


def names(principal: Any, account: str, arn: str, role: str) -> str:
    """How a Principal element names a caller: "direct", "role", "account" or "" for not at all."""
    entries = ["*"] if principal == "*" else listed(principal.get("AWS", []))
    if "*" in entries or arn in entries:
        return "direct"
    if role in entries:
        return "role"
    return "account" if account in entries or f"arn:aws:iam::{account}:root" in entries else ""


def decide(
    action: str,
    resource: str,
    keys: Keys,
    caller: tuple[str, str, str],  # account, ARN, ARN of the role (or the same)
    identity: Sequence[str],
    boundary: str | None,
    session: Sequence[str] | None,
    resource_policy: str | None,
    must_allow: bool,
) -> str:
    """The reason of the decision: "allowed", "explicitDeny" or "implicitDeny"."""
    layers = [list(identity), *([[boundary]] if boundary else []), *([list(session)] if session is not None else [])]
    found = [[effect for text in layer for effect, _ in effects(text, action, resource, keys)] for layer in layers]
    named = []
    if resource_policy is not None:
        said = effects(resource_policy, action, resource, keys)
        named = [(effect, how) for effect, principal in said if (how := names(principal, *caller))]
    if any("Deny" in layer for layer in found) or "Deny" in [effect for effect, _ in named]:
        return "explicitDeny"
    hows = [how for _, how in named]
    if "direct" in hows:
        return "allowed"
    if must_allow and not hows:
        return "implicitDeny"
    needed = found[1:] if "role" in hows else found
    return "allowed" if all("Allow" in layer for layer in needed) else "implicitDeny"
