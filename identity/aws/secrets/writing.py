"""The operations of Secrets Manager that change a secret of the region. Wire facts: docs/reference/aws-wire.md#secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from brownout.identity.aws.policy.context import request_tag_keys
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.secrets.call import (
    SecretsCall,
    SecretsResult,
    already_exists,
    invalid_parameter,
    invalid_request,
    not_found,
)
from brownout.identity.aws.secrets.stored import CURRENT, SecretVersion, StoredSecret

DAY_S = 86_400.0
SHORTEST_DAYS, LONGEST_DAYS = 7, 30  # of the time in which a deletion can be taken back
MOST_TAGS = 50


async def create_secret(call: SecretsCall) -> SecretsResult:
    name, tags = str(call.params["Name"]), _tags(call.params.get("Tags", ()))
    call.authorize(call.annex.arn_of(name), {"secretsmanager:Name": name, **request_tag_keys(tags)})
    known = call.annex.secrets().get(name)
    version = _new_version(call)
    if known is not None:
        return _repeated(known, version)
    made = StoredSecret(
        name,
        call.annex.new_arn(name, call.new_id()),
        call.now_s,
        call.now_s,
        description=str(call.params.get("Description", "")),
        kms_key_id=str(call.params.get("KmsKeyId", "")),
        tags=tags,
    )
    if version is not None:
        made = made.with_version(version, (CURRENT,))
    await call.annex.keep(made)
    return _named(made) | ({"VersionId": version.version_id} if version is not None else {})


def _repeated(known: StoredSecret, version: SecretVersion | None) -> SecretsResult:
    """The answer to a creation that was made before, when it is the same again; raises AwsError when it is not."""
    if known.is_deleted:
        text = "You can't create this secret because a secret with this name is already scheduled for deletion."
        raise invalid_request(text)
    same = None if version is None else known.version(version_id=version.version_id)
    if version is None or same is None or not same.has_value_of(version):
        raise already_exists(f"The operation failed because the secret {known.name} already exists.")
    return _named(known) | {"VersionId": same.version_id}


async def put_secret_value(call: SecretsCall) -> SecretsResult:
    secret, version = call.secret(), _new_version(call)
    if version is None:
        raise invalid_parameter("You must provide either SecretString or SecretBinary.")
    stages = tuple(dict.fromkeys(call.params.get("VersionStages", (CURRENT,))))
    changed = _with_version(secret, version, stages)
    await call.annex.keep(changed)
    kept = changed.version(version_id=version.version_id)
    assert kept is not None, "what was put is there"
    return _named(changed) | {"VersionId": version.version_id, "VersionStages": list(kept.stages)}


async def update_secret(call: SecretsCall) -> SecretsResult:
    secret, version = call.secret(), _new_version(call)
    changed = replace(
        secret,
        description=str(call.params.get("Description", secret.description)),
        kms_key_id=str(call.params.get("KmsKeyId", secret.kms_key_id)),
        changed_s=call.now_s,
    )
    if version is not None:
        changed = _with_version(changed, version, (CURRENT,))
    await call.annex.keep(changed)
    return _named(changed) | ({"VersionId": version.version_id} if version is not None else {})


async def delete_secret(call: SecretsCall) -> SecretsResult:
    """Ends a secret at once, or after a time in which it can be restored; a secret that is not there may be ended by force."""
    days, force = call.params.get("RecoveryWindowInDays"), bool(call.params.get("ForceDeleteWithoutRecovery", False))
    keys = {"secretsmanager:ForceDeleteWithoutRecovery": "true" if force else "false"}
    if force and days is not None:
        text = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
        raise invalid_parameter(text)
    if days is not None and not SHORTEST_DAYS <= int(days) <= LONGEST_DAYS:
        raise invalid_parameter(
            f"The RecoveryWindowInDays value must be between {SHORTEST_DAYS} and {LONGEST_DAYS} days (inclusive)."
        )
    secret = call.secret(also_deleted=force, keys=keys)
    if force:
        await call.annex.forget(secret.name)
        return _named(secret) | {"DeletionDate": call.now_s}
    ends_s = call.now_s + (LONGEST_DAYS if days is None else int(days)) * DAY_S
    await call.annex.keep(replace(secret, deleted_s=call.now_s, ends_s=ends_s))
    return _named(secret) | {"DeletionDate": ends_s}


async def restore_secret(call: SecretsCall) -> SecretsResult:
    secret = call.secret(also_deleted=True)
    await call.annex.keep(replace(secret, deleted_s=None, ends_s=None))
    return _named(secret)


async def update_secret_version_stage(call: SecretsCall) -> SecretsResult:
    secret, stage = call.secret(), str(call.params["VersionStage"])
    source, target = str(call.params.get("RemoveFromVersionId", "")), str(call.params.get("MoveToVersionId", ""))
    holder = secret.version(stage=stage)
    if target and secret.version(version_id=target) is None:
        raise not_found(f"VersionId: {target}")
    if holder is not None and holder.version_id not in (source, target):
        text = f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version"
        raise invalid_parameter(
            f"{text} {holder.version_id}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    if source and (holder is None or holder.version_id != source):
        raise invalid_parameter(f"The staging label {stage} is not attached to version {source}.")
    if not target and stage == CURRENT:
        raise invalid_parameter(f"You can't remove the label {CURRENT} without moving it to another version.")
    await call.annex.keep(replace(secret.with_stage(stage, target), changed_s=call.now_s))
    return _named(secret)


async def tag_resource(call: SecretsCall) -> SecretsResult:
    tags = _tags(call.params["Tags"])
    secret = call.secret(keys=request_tag_keys(tags))
    merged = {**secret.tags, **tags}
    if len(merged) > MOST_TAGS:
        raise invalid_parameter(f"A secret can have at most {MOST_TAGS} tags.")
    await call.annex.keep(replace(secret, tags=merged, changed_s=call.now_s))
    return {}


async def untag_resource(call: SecretsCall) -> SecretsResult:
    gone = frozenset(str(key) for key in call.params["TagKeys"])
    secret = call.secret(keys={"aws:TagKeys": tuple(call.params["TagKeys"])})
    kept = {key: value for key, value in secret.tags.items() if key not in gone}
    await call.annex.keep(replace(secret, tags=kept, changed_s=call.now_s))
    return {}


def _new_version(call: SecretsCall) -> SecretVersion | None:
    """The value that a call brings, None for one without; raises AwsError for both kinds at once."""
    text, binary = call.params.get("SecretString"), call.params.get("SecretBinary")
    if text is not None and binary is not None:
        raise invalid_parameter("You can't specify both a binary secret value and a string secret value in the same secret.")
    if text is None and binary is None:
        return None
    return SecretVersion(str(call.params.get("ClientRequestToken") or call.new_id()), call.now_s, text, binary)


def _with_version(secret: StoredSecret, version: SecretVersion, stages: tuple[str, ...]) -> StoredSecret:
    """The secret with the version, also when it has it already; raises AwsError when its id has another value."""
    known = secret.version(version_id=version.version_id)
    if known is None:
        return secret.with_version(version, stages)
    if not known.has_value_of(version):
        text = f"You can't use ClientRequestToken {version.version_id} because that value is already in use"
        raise already_exists(f"{text} for a version of secret {secret.arn}.")
    return secret


def _tags(given: Iterable[Params]) -> dict[str, str]:
    tags = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in given}
    if len(tags) > MOST_TAGS:
        raise invalid_parameter(f"A secret can have at most {MOST_TAGS} tags.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid_parameter("Tag keys can't begin with aws:.")
    return tags


def _named(secret: StoredSecret) -> dict[str, Any]:
    return {"ARN": secret.arn, "Name": secret.name}
