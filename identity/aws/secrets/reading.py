"""The operations of Secrets Manager that read. Wire facts: docs/reference/aws-wire.md#secrets."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.secrets.call import SecretsCall, SecretsResult, invalid_parameter, not_found
from brownout.identity.aws.secrets.filters import fits
from brownout.identity.aws.secrets.stored import SecretVersion, StoredSecret

PAGE, BATCH = 100, 20  # entries of a list and of a batch, when a call does not say how many


def get_secret_value(call: SecretsCall) -> SecretsResult:
    version_id, stage = str(call.params.get("VersionId", "")), str(call.params.get("VersionStage", ""))
    keys = {"secretsmanager:VersionStage": stage or "AWSCURRENT"} | (
        {"secretsmanager:VersionId": version_id} if version_id else {}
    )
    secret = call.secret(keys=keys)
    version = secret.version(version_id, stage)
    if version is None or (version.text is None and version.binary is None):
        raise not_found(f"VersionId: {version_id}" if version_id else f"staging label: {stage or 'AWSCURRENT'}")
    call.annex.note_access(secret.name)
    return _value(secret, version)


async def batch_get_secret_value(call: SecretsCall) -> SecretsResult:
    """Values of up to twenty secrets, and for each that could not be read why."""
    call.authorize("*")
    named, filters = call.params.get("SecretIdList", ()), call.params.get("Filters", ())
    if bool(named) == bool(filters):
        raise invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
    ids, following = (tuple(named), None) if named else _page(call, _matching(call, filters), BATCH)
    values, errors = [], []
    for secret_id in ids:
        try:
            values.append(get_secret_value(call.doing("secretsmanager:GetSecretValue", {"SecretId": secret_id})))
        except AwsError as refused:
            code = "AccessDeniedException" if refused.code == "AccessDenied" else refused.code
            errors.append({"SecretId": secret_id, "ErrorCode": code, "Message": refused.message})
    return {"SecretValues": values, "Errors": errors} | ({"NextToken": following} if following else {})


async def describe_secret(call: SecretsCall) -> SecretsResult:
    secret = call.secret(also_deleted=True)
    return _described(call, secret) | {"VersionIdsToStages": _stages(secret)}


async def list_secrets(call: SecretsCall) -> SecretsResult:
    """Secrets in the order of their names, or of the time that SortBy names; those marked for deletion only when asked for."""
    call.authorize("*")
    deleted = bool(call.params.get("IncludePlannedDeletion", False))
    names, following = _page(call, _matching(call, call.params.get("Filters", ()), deleted=deleted), PAGE)
    known = call.annex.secrets()
    found = [_described(call, known[name]) | {"SecretVersionsToStages": _stages(known[name])} for name in names]
    return {"SecretList": found} | ({"NextToken": following} if following else {})


async def list_secret_version_ids(call: SecretsCall) -> SecretsResult:
    secret = call.secret(also_deleted=True)
    shown = secret.versions if call.params.get("IncludeDeprecated") else secret.labelled
    by_id = {version.version_id: version for version in shown}
    ids, following = _page(call, tuple(by_id), PAGE)
    versions = [
        {"VersionId": each, "VersionStages": list(by_id[each].stages), "CreatedDate": by_id[each].created_s} for each in ids
    ]
    return {"ARN": secret.arn, "Name": secret.name, "Versions": versions} | ({"NextToken": following} if following else {})


async def get_random_password(call: SecretsCall) -> SecretsResult:
    """Characters of the kinds that are not excluded, at least one of each unless the caller says otherwise."""
    call.authorize("*")
    params = call.params
    kinds = [
        "".join(character for character in kind if character not in params.get("ExcludeCharacters", ""))
        for kind, excluded in _KINDS
        if not params.get(excluded, False)
    ] + ([" "] if params.get("IncludeSpace", False) else [])
    kinds = [kind for kind in kinds if kind]
    length, each = int(params.get("PasswordLength", 32)), bool(params.get("RequireEachIncludedType", True))
    if not kinds or (each and length < len(kinds)):
        raise invalid_parameter("The password cannot be made of what is left to choose from.")
    return {"RandomPassword": _password(kinds, length, call.new_id() + call.new_id(), each=each)}


_KINDS = (
    ("abcdefghijklmnopqrstuvwxyz", "ExcludeLowercase"),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ExcludeUppercase"),
    ("0123456789", "ExcludeNumbers"),
    ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "ExcludePunctuation"),
)


def _password(kinds: Sequence[str], length: int, chance: str, *, each: bool) -> str:
    """A password as unpredictable as `chance`."""
    draws = hashlib.shake_256(chance.encode()).digest(8 * length + 8)
    numbers = [int.from_bytes(draws[i : i + 4], "big") for i in range(0, len(draws), 4)]
    every = "".join(kinds)
    found = [every[number % len(every)] for number in numbers[:length]]
    if each:
        start = numbers[-1] % length
        for place, kind in enumerate(kinds):
            found[(start + place) % length] = kind[numbers[length + place % length] % len(kind)]
    return "".join(found)


def _value(secret: StoredSecret, version: SecretVersion) -> dict[str, Any]:
    value: dict[str, Any] = {"SecretString": version.text} if version.text is not None else {"SecretBinary": version.binary}
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.version_id,
        "VersionStages": list(version.stages),
        "CreatedDate": version.created_s,
    } | value


def _described(call: SecretsCall, secret: StoredSecret) -> dict[str, Any]:
    optional = {
        "Description": secret.description or None,
        "KmsKeyId": secret.kms_key_id or None,
        "LastAccessedDate": call.annex.last_access_s(secret.name),
        "DeletedDate": secret.deleted_s,
    }
    found = {
        "ARN": secret.arn,
        "Name": secret.name,
        "LastChangedDate": secret.changed_s,
        "CreatedDate": secret.created_s,
        "Tags": [{"Key": key, "Value": value} for key, value in secret.tags.items()],
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _stages(secret: StoredSecret) -> dict[str, list[str]]:
    return {version.version_id: list(version.stages) for version in secret.labelled}


def _matching(call: SecretsCall, filters: Iterable[Params], *, deleted: bool = False) -> tuple[str, ...]:
    """The names of the secrets that fit every filter, in the order that the call asks for."""
    known = [secret for secret in call.annex.secrets().values() if deleted or not secret.is_deleted]
    found = sorted((secret for secret in known if all(fits(secret, each) for each in filters)), key=lambda each: each.name)
    by = str(call.params.get("SortBy", "name"))
    if by != "name":
        found.sort(key=lambda each: _moment(call, each, by))
    if call.params.get("SortOrder") == "desc":
        found.reverse()
    return tuple(secret.name for secret in found)


def _moment(call: SecretsCall, secret: StoredSecret, by: str) -> float:
    if by == "last-accessed-date":
        return call.annex.last_access_s(secret.name) or 0.0
    return secret.created_s if by == "created-date" else secret.changed_s


def _page(call: SecretsCall, names: tuple[str, ...], usual: int) -> tuple[tuple[str, ...], str | None]:
    """The next names of a list, and the token with which it goes on; raises AwsError for a token that is none of ours."""
    token, start = call.params.get("NextToken"), 0
    if token is not None:
        try:
            last = base64.urlsafe_b64decode(str(token).encode()).decode()
            start = names.index(last) + 1
        except ValueError:
            raise AwsError.of("InvalidNextTokenException", "The NextToken value is invalid.") from None
    end = start + int(call.params.get("MaxResults", usual))
    page = names[start:end]
    return page, base64.urlsafe_b64encode(page[-1].encode()).decode() if end < len(names) else None
