"""From text to a compiled document, or MalformedPolicyDocument in the words of IAM.

Policies of identities are judged in the order and the words of `checks`, policies of resources, among them trust
policies, in those
of `trust_checks`.
Wire facts: docs/reference/aws-wire.md#malformed-policy-documents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from brownout.identity.aws.errors import malformed_policy_document
from brownout.identity.aws.policy import checks, trust_checks
from brownout.identity.aws.policy.conditions import Clause, clause, split_operator
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind, Statement
from brownout.identity.aws.policy.patterns import ActionSet, PatternSet, split_pieces
from brownout.identity.aws.policy.principals import principal_element
from brownout.identity.aws.policy.syntax import SYNTAX, WrittenStatement, read_policy

DOCUMENTS_REMEMBERED = 4096


@lru_cache(maxsize=DOCUMENTS_REMEMBERED)
def parse_document(text: str, kind: PolicyKind) -> PolicyDocument:
    """The compiled document; the last few thousand are remembered by text and kind.

    Kinds: `identity` is an inline policy, `managed` and `boundary` a managed one, `session` is given with a request for a
    session, `trust` is a role's, `resource` any other resource's. Raises AwsError MalformedPolicyDocument.
    """
    is_resource = kind in ("trust", "resource")
    raw = _json(text, trust_checks.INVALID_JSON if is_resource else SYNTAX)
    if is_resource:
        trust_checks.check_fields(raw)
    written = read_policy(raw)
    if is_resource:
        trust_checks.check(written, is_trust=kind == "trust")
    else:
        checks.check(written, needs_version=kind in ("managed", "boundary"))
    variables = written.has_variables
    statements = tuple(_compiled(index, statement, variables) for index, statement in enumerate(written.statements))
    return PolicyDocument(text, kind, written.version, written.id, statements)


def _json(text: str, fault: str) -> object:
    """The value; raises AwsError with the message `fault`, also for names that stand twice and for nesting too deep to read."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise malformed_policy_document(fault) from None


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """The object; raises ValueError for a name that is there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _compiled(index: int, written: WrittenStatement, variables: bool) -> Statement:
    resources = None
    if written.resources is not None:
        resources = PatternSet([split_pieces(resource, variables=variables) for resource in written.resources])
    return Statement(
        index=index,
        sid=written.sid,
        effect="Deny" if written.effect == "Deny" else "Allow",
        actions=ActionSet(written.actions or ()),
        has_not_action=written.has_not_action,
        resources=resources,
        has_not_resource=written.has_not_resource,
        principal=None
        if written.principals is None
        else principal_element(written.principals, is_not=written.has_not_principal),
        clauses=_clauses(written, variables),
    )


def _clauses(written: WrittenStatement, variables: bool) -> tuple[Clause, ...]:
    """The compiled conditions. An operator that is none has no keys, or the document was refused."""
    return tuple(
        clause(name, key, values, variables=variables)
        for operator, keys in written.conditions.items()
        if (name := split_operator(operator)) is not None
        for key, values in keys.items()
    )
