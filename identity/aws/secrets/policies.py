"""The policy of a secret: kept, shown, checked. It is judged together with the caller's own policies (SecretsCall.authorize).

A secret knows the users and roles that its policy names by their unique ids, as IAM does for trust policies: one that is
deleted and made anew under its old name gets nothing by it, and the policy then shows the id. Wire facts:
docs/reference/aws-wire.md#secrets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.policy.syntax import WrittenStatement, read_policy
from brownout.identity.aws.records.named_principals import exists, principals_in, renamed_in
from brownout.identity.aws.secrets.call import SecretsCall, SecretsResult, invalid_parameter, not_found
from brownout.identity.aws.secrets.stored import StoredSecret

DEFAULT = "default"  # the name of the one policy that can be changed
LONGEST = 20_480  # characters
UNSUPPORTED_PRINCIPAL = "This resource policy contains an unsupported principal."
PUBLIC = "You can't create a resource policy that grants broad access to the secret."
# Keys whose fixed values keep a permission for all principals from being public.
_NARROWING = frozenset(
    {
        *("aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:userid"),
        *("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceip"),
    }
)
_FIXED = ("stringequals", "stringlike", "arnequals", "arnlike", "ipaddress")


async def put_resource_policy(call: SecretsCall) -> SecretsResult:
    block = bool(call.params.get("BlockPublicPolicy", False))
    secret = call.secret(keys={"secretsmanager:BlockPublicPolicy": "true" if block else "false"})
    _check_name(call)
    text = str(call.params["ResourcePolicy"])
    _check(call, text)
    if block and is_public(text):
        raise AwsError.of("PublicPolicyException", PUBLIC)
    await call.annex.keep(replace(secret, policy=_by_ids(call, text)))
    return _named(secret)


async def get_resource_policy(call: SecretsCall) -> SecretsResult:
    secret = call.secret(also_deleted=True)
    _check_name(call)
    return _named(secret) | ({"ResourcePolicy": _by_arns(call, secret.policy)} if secret.policy else {})


async def list_resource_policies(call: SecretsCall) -> SecretsResult:
    secret = call.secret(also_deleted=True)
    return {"ResourcePolicies": [{"PolicyName": DEFAULT}] if secret.policy else []}


async def delete_resource_policy(call: SecretsCall) -> SecretsResult:
    secret = call.secret()
    _check_name(call)
    await call.annex.keep(replace(secret, policy=""))
    return _named(secret)


async def validate_resource_policy(call: SecretsCall) -> SecretsResult:
    """Whether the policy could be put, and what is said against it. Syntax is refused as PutResourcePolicy refuses it."""
    if "SecretId" in call.params:
        call.secret()
    else:
        call.authorize("*")
    text = str(call.params["ResourcePolicy"])
    _check(call, text)
    if is_public(text):
        errors = [{"CheckName": "IsPublic", "ErrorMessage": PUBLIC}]
        return {"PolicyValidationPassed": False, "ValidationErrors": errors}
    return {"PolicyValidationPassed": True, "ValidationErrors": []}


def _check_name(call: SecretsCall) -> None:
    """Raises AwsError for a policy that a secret does not have: there is the default one alone."""
    if str(call.params.get("PolicyName", DEFAULT)) != DEFAULT:
        raise not_found()


def _check(call: SecretsCall, text: str) -> None:
    """Raises AwsError for a document that cannot be a secret's, as the service words it."""
    if len(text) > LONGEST:
        raise invalid_parameter(f"The resource policy is longer than {LONGEST} characters.")
    try:
        parse_document(text, "resource")
        named = tuple(principals_in(json.loads(text)))
    except AwsError as refused:
        if refused.message.startswith("Invalid principal"):
            raise _malformed(UNSUPPORTED_PRINCIPAL) from None
        raise _malformed(refused.message) from None
    account = call.annex.index.account
    if not all(exists(account, call.annex.account_id, kind, value) for kind, value in named):
        raise _malformed(UNSUPPORTED_PRINCIPAL)


def _malformed(message: str) -> AwsError:
    return AwsError.of("MalformedPolicyDocumentException", message)


def is_public(text: str) -> bool:
    """Whether a statement gives all principals something, with no condition that fixes who they are or where they come from."""
    return any(_is_open(statement) for statement in read_policy(json.loads(text)).statements)


def _is_open(statement: WrittenStatement) -> bool:
    if statement.effect == "Deny":
        return False
    for_all = statement.has_not_principal or any(value == "*" for _, value in statement.principals or ())
    return for_all and not any(
        operator.lower() in _FIXED and key.lower() in _NARROWING and "*" not in values
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
    )


def _by_ids(call: SecretsCall, text: str) -> str:
    """The document with the unique ids of users and roles of this account for their ARNs."""
    ids = {arn: unique_id for unique_id, arn in _known(call)}
    return renamed_in(text, lambda value: ids.get(value, value))


def _by_arns(call: SecretsCall, text: str) -> str:
    """The document as clients see it: with the ARNs of those who exist."""
    found: Mapping[str, str] = dict(_known(call))
    return renamed_in(text, lambda value: found.get(value, value))


def _known(call: SecretsCall) -> Iterator[tuple[str, str]]:
    """The unique id and the ARN of every user and role."""
    account = call.annex.index.account
    yield from ((user.user_id, user.arn) for user in account.users.values())
    yield from ((role.role_id, role.arn) for role in account.roles.values())


def _named(secret: StoredSecret) -> dict[str, str]:
    return {"ARN": secret.arn, "Name": secret.name}
