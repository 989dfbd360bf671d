"""How Key Vault shows secrets, and what it reads of those that clients send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brownout.identity.azure.data.secrets import RECOVERY_LEVEL, RETENTION_DAYS, SecretEdition, VaultSecret
from brownout.identity.azure.vault.vault_errors import bad_parameter
from brownout.identity.core.records import Json

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LONGEST_VALUE_BYTES = 25_600  # 25 KB
MOST_TAGS = 15
LONGEST_TEXT = 256  # of a tag's name and value; a content type may be 255 characters long


def attributes(edition: SecretEdition) -> dict[str, Any]:
    found: dict[str, Any] = {"enabled": edition.enabled}
    if edition.starts_s is not None:
        found["nbf"] = int(edition.starts_s)
    if edition.ends_s is not None:
        found["exp"] = int(edition.ends_s)
    times = {"created": int(edition.created_s), "updated": int(edition.updated_s)}
    return found | times | {"recoveryLevel": RECOVERY_LEVEL, "recoverableDays": RETENTION_DAYS}


def bundle(url: str, secret: VaultSecret, edition: SecretEdition, *, value: bool = True) -> dict[str, Any]:
    """One version as an operation on it shows it, `url` being the vault's; without its value where that is not asked for."""
    shown = {"value": edition.value} if value else {}
    return shown | {"id": f"{url}/secrets/{secret.name}/{edition.version}"} | _described(edition)


def item(url: str, secret: VaultSecret, edition: SecretEdition | None = None) -> dict[str, Any]:
    """A secret, or one version of it, as lists show it: never with its value."""
    version = f"/{edition.version}" if edition else ""
    return {"id": f"{url}/secrets/{secret.name}{version}"} | _described(edition or secret.newest)


def deleted(url: str, secret: VaultSecret, shown: dict[str, Any]) -> dict[str, Any]:
    """The same for one that was deleted."""
    assert secret.deleted_s is not None, "only a deleted secret is shown as one"
    return shown | {
        "recoveryId": f"{url}/deletedsecrets/{secret.name}",
        "deletedDate": int(secret.deleted_s),
        "scheduledPurgeDate": int(secret.purge_s),
    }


def _described(edition: SecretEdition) -> dict[str, Any]:
    found: dict[str, Any] = {"attributes": attributes(edition), "tags": dict(edition.tags)}
    if edition.content_type is not None:
        found["contentType"] = edition.content_type
    return found


def new_edition(body: Json, version: str, now_s: float) -> SecretEdition:
    """The version that a client sets; raises VaultError for a body that cannot be one."""
    value = body.get("value")
    if not isinstance(value, str):
        raise bad_parameter("The parameter value is required and has to be a text.")
    if len(value.encode()) > LONGEST_VALUE_BYTES:
        raise bad_parameter(f"The parameter value is longer than {LONGEST_VALUE_BYTES} bytes.")
    return changed_edition(SecretEdition(version, value, now_s, now_s), body, now_s)


def changed_edition(edition: SecretEdition, body: Json, now_s: float) -> SecretEdition:
    """The version with what a client changes of it; raises VaultError."""
    told = body.get("attributes") or {}
    if not isinstance(told, Mapping):
        raise bad_parameter("The parameter attributes is no object.")
    changed: dict[str, Any] = {"updated_s": now_s}
    if "enabled" in told:
        changed["enabled"] = _boolean(told["enabled"])
    for name, field in (("nbf", "starts_s"), ("exp", "ends_s")):
        if name in told:
            changed[field] = _time(name, told[name])
    if "tags" in body:
        changed["tags"] = _tags(body["tags"])
    if "contentType" in body:
        changed["content_type"] = _content_type(body["contentType"])
    made = replace(edition, **changed)
    if made.starts_s is not None and made.ends_s is not None and made.starts_s >= made.ends_s:
        raise bad_parameter("The attribute exp has to be later than nbf.")
    return made


def checked_name(name: str) -> str:
    """Raises VaultError for what is no secret's name."""
    if NAME.fullmatch(name) is None:
        raise bad_parameter(f"The request URI contains an invalid name: {name}")
    return name


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_parameter("The attribute enabled is true or false.")
    return value


def _time(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise bad_parameter(f"The attribute {name} is a time in whole seconds since 1970.")
    return float(value)


def _content_type(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) >= LONGEST_TEXT):
        raise bad_parameter("The parameter contentType is a text of up to 255 characters.")
    return value


def _tags(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > MOST_TAGS:
        raise bad_parameter(f"The parameter tags is an object of up to {MOST_TAGS} names with texts.")
    for name, text in value.items():
        if not isinstance(text, str) or max(len(name), len(text)) > LONGEST_TEXT:
            raise bad_parameter(f"A tag's name and text have up to {LONGEST_TEXT} characters.")
    return dict(value)
