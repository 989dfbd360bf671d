"""Filters of lists of secrets: a key, and values of which one must match. Wire facts: docs/reference/aws-wire.md#secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.secrets.stored import StoredSecret

_WORD = re.compile(r"[^ /_+=.@:-]+")


def fits(secret: StoredSecret, wanted: Params) -> bool:
    """True when the secret matches one of the filter's values; a value that begins with `!` matches what the rest does not."""
    key = str(wanted.get("Key", ""))
    return any(_matches(secret, key, str(value)) for value in wanted.get("Values", ()))


def _matches(secret: StoredSecret, key: str, value: str) -> bool:
    if value.startswith("!"):
        return not _matches(secret, key, value[1:])
    if key == "all":
        texts = " ".join((secret.name, secret.description, *secret.tags, *secret.tags.values())).lower()
        return all(word in texts for word in _WORD.findall(value.lower()))
    if key == "description":
        return any(word.startswith(value.lower()) for word in (secret.description.lower(), *_words(secret.description)))
    return any(text.startswith(value) for text in _texts(secret, key))


def _words(text: str) -> Iterable[str]:
    return _WORD.findall(text.lower())


def _texts(secret: StoredSecret, key: str) -> Iterable[str]:
    """What a filter's key looks at; nothing for what no secret here has, such as an owning service."""
    if key == "name":
        return (secret.name,)
    if key == "tag-key":
        return tuple(secret.tags)
    return tuple(secret.tags.values()) if key == "tag-value" else ()
