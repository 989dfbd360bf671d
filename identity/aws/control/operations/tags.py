"""Tags of an entity: limits, and their form in requests and answers (docs/reference/aws-wire.md#tags-in-iam)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brownout.identity.aws.errors import invalid_input, limit_exceeded

MOST_TAGS = 50
RESERVED = "aws:"


def tags_of(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a request brings (`Tags`); raises InvalidInput, LimitExceeded."""
    return with_tags({}, params.get("Tags") or ())


def with_tags(before: Mapping[str, str], added: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The tags after `added` were set, of which one in another case replaces; raises InvalidInput, LimitExceeded."""
    keys = [tag["Key"].lower() for tag in added]
    if len(set(keys)) != len(keys):
        raise invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith(RESERVED) for key in keys):
        raise invalid_input("System tags cannot be added/updated by requester.")
    kept = {key: value for key, value in before.items() if key.lower() not in keys}
    tags = kept | {tag["Key"]: tag["Value"] for tag in added}
    if len(tags) > MOST_TAGS:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return tags


def without_tags(before: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """The tags that are left; a key that is not there changes nothing."""
    taken = {key.lower() for key in keys}
    return {key: value for key, value in before.items() if key.lower() not in taken}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as answers show them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
