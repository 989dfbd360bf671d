"""What is said about a resource-based policy, and about a role's trust policy above all, that is grammatical and still wrong.

Whether a principal that the policy names exists is for the account to say (`invalid_principal`).
Wire facts: docs/reference/aws-wire.md#malformed-trust-policies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from brownout.identity.aws.errors import AwsError, malformed_policy_document
from brownout.identity.aws.policy.checks import check_actions, check_legacy, check_sids
from brownout.identity.aws.policy.conditions import split_operator
from brownout.identity.aws.policy.patterns import ActionSet
from brownout.identity.aws.policy.syntax import POLICY_ELEMENTS, STATEMENT_ELEMENTS, WrittenPolicy, WrittenStatement

INVALID_JSON = "This policy contains invalid Json"
NO_STATEMENTS = "Could not parse the policy: Statement is empty!"
EMPTY_PRINCIPAL = "Missing required field Principal cannot be empty!"
NOT_RESOURCE = "AssumeRole policy must not contain resources."
ALLOW_NOT_PRINCIPAL = "Allow with NotPrincipal is not allowed."
NOT_ASSUMING = "AssumeRole policy may only specify STS AssumeRole actions."
BAD_FEDERATED = "Federated principals must be valid domain names or SAML metadata ARNs"
ASSUMING = (
    *("sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity"),
    *("sts:tagsession", "sts:setsourceidentity", "sts:setcontext"),
)

_AWS = re.compile(
    r"\*|[0-9]{12}|AIDA[A-Z0-9]{12,124}|AROA[A-Z0-9]{12,124}(?::[\w+=,.@-]+)?"  # the latter also with a session
    r"|arn:aws:iam::[0-9]{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)"
    r"|arn:aws:sts::[0-9]{12}:(?:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+|federated-user/[\w+=,.@-]+)",
    re.ASCII,
)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)
_FEDERATED = re.compile(
    r"\*|arn:aws:iam::[0-9]{12}:(?:oidc|saml)-provider/[!-~]+|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[!-~]*)?"
)


def check_fields(raw: object) -> None:
    """Refuse what the grammar would, in the words for policies of resources: unknown elements and operators, no statements."""
    if not isinstance(raw, dict):
        return
    _refuse_unknown(raw, POLICY_ELEMENTS)
    statements = raw.get("Statement", [])
    if statements == []:
        raise malformed_policy_document(NO_STATEMENTS)
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict):
            _refuse_unknown(statement, STATEMENT_ELEMENTS)
            _refuse_operators(statement.get("Condition"))


def _refuse_unknown(found: Mapping[str, object], known: frozenset[str]) -> None:
    for name in found:
        if name not in known:
            raise malformed_policy_document(f"Unknown field {name}")


def _refuse_operators(conditions: object) -> None:
    for name in conditions if isinstance(conditions, dict) else ():
        if split_operator(name) is None:
            raise malformed_policy_document(f"Invalid Condition type : {name}")


def check(policy: WrittenPolicy, *, is_trust: bool) -> None:
    """Raise AwsError MalformedPolicyDocument for the first fault."""
    for statement in policy.statements:
        if is_trust:
            _check_prohibited(statement)
        check_legacy(statement)
    check_sids(policy)
    for statement in policy.statements:
        if statement.principals is None:
            raise _missing("Principal")
        if not statement.principals:
            raise malformed_policy_document(EMPTY_PRINCIPAL)
        if not statement.actions:
            raise _missing("Action")
        check_actions(statement)
        if is_trust:
            _check_assuming(statement)
        elif not statement.resources:
            raise _missing("Resource")
        for kind, value in statement.principals:
            _check_principal(kind, value)


def _missing(field: str) -> AwsError:
    return malformed_policy_document(f"Missing required field {field}")


def _check_prohibited(statement: WrittenStatement) -> None:
    if statement.resources is not None:
        raise malformed_policy_document(NOT_RESOURCE if statement.has_not_resource else "Has prohibited field Resource")
    if statement.has_not_principal and statement.effect == "Allow":
        raise malformed_policy_document(ALLOW_NOT_PRINCIPAL)


def _check_assuming(statement: WrittenStatement) -> None:
    """Every action must be, or as a pattern include, one that assumes a role or belongs to it."""
    for action in statement.actions or ():
        pattern = ActionSet([action])
        if action == "*" or not any(pattern.matches(each) for each in ASSUMING):
            raise malformed_policy_document(NOT_ASSUMING)


def _check_principal(kind: str, value: str) -> None:
    if kind == "Federated" and not _FEDERATED.fullmatch(value):
        raise malformed_policy_document(BAD_FEDERATED)
    if (kind == "AWS" and not _AWS.fullmatch(value)) or (kind == "Service" and not _SERVICE.fullmatch(value)):
        raise invalid_principal(kind, value)


def invalid_principal(kind: str, value: str) -> AwsError:
    """A principal that does not exist or can be none; `kind` as the element's name in the policy ("AWS", "Service")."""
    return malformed_policy_document(f'Invalid principal in policy: "{kind.upper()}":"{value}"')
