"""What a request wants its session to be held to: session policies, managed ones by ARN, and tags, and the room they take.

AWS packs all of it into the session token and tells how much of the room is used. The packing itself is not public: here it is
compression, and the room is such that the documented limits fit (docs/reference/aws-wire.md#session-policies-and-tags).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.regional.index import AccountIndex

MOST_ARNS = 10
ROOM_BYTES = 2048


@dataclass(frozen=True, slots=True)
class SessionTags:
    """A session's tags by key, and which of them go on to sessions that it asks for. `asked` are those of the request."""

    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Session policies as texts and ARNs; `packed_percent` is the share of the room that is used, None for none."""

    policies: tuple[str, ...] = ()
    arns: tuple[str, ...] = ()
    packed_percent: int | None = None


NO_TAGS, NO_LIMITS = SessionTags(), SessionLimits()


def session_limits(params: Params, index: AccountIndex, tags: SessionTags) -> SessionLimits:
    """The limits that `Policy` and `PolicyArns` of a request ask for.

    Raises AwsError: MalformedPolicyDocument, ValidationError for an ARN of no managed policy, PackedPolicyTooLarge.
    """
    if not tags.tags and "Policy" not in params and "PolicyArns" not in params:
        return NO_LIMITS  # as nearly all requests
    text = str(params.get("Policy", ""))
    if text:
        parse_document(text, "session")
    arns = tuple(str(each["arn"]) for each in params.get("PolicyArns", ()) if "arn" in each)
    if len(arns) > MOST_ARNS:
        raise validation_error(f"The number of managed policy ARNs exceeds the limit of {MOST_ARNS}")
    for arn in arns:
        if index.policy_text(arn) is None:
            raise validation_error(f"The policy {arn} does not exist or is not attachable.")
    return SessionLimits((text,) if text else (), arns, _packed_percent(text, arns, tags.tags))


def _packed_percent(text: str, arns: Sequence[str], tags: Mapping[str, str]) -> int | None:
    """Raises AwsError PackedPolicyTooLarge."""
    if not (text or arns or tags):
        return None
    packed = zlib.compress("\n".join((text, *arns, *(f"{key}={value}" for key, value in tags.items()))).encode())
    percent = max(1, -(-100 * len(packed) // ROOM_BYTES))
    if percent > 100:
        what = "Packed policy" if text or arns else "Packed size of session tags"
        raise AwsError.of("PackedPolicyTooLarge", f"{what} consumes {percent}% of allotted space, please use smaller policy.")
    return percent


def session_tags(params: Params, caller: Caller) -> SessionTags:
    """The tags that a request of the caller gives its session, with those that its own session hands on.

    Raises AwsError InvalidParameterValue, as STS does for tags.
    """
    if caller.session is None and "Tags" not in params and "TransitiveTagKeys" not in params:
        return NO_TAGS  # as nearly all requests
    asked = tags_of(params)
    inherited: dict[str, str] = {}
    if caller.session is not None:
        keys = {key.lower() for key in caller.session.transitive_tag_keys}
        inherited = {key: value for key, value in caller.session.tags.items() if key.lower() in keys}
    if {key.lower() for key in asked} & {key.lower() for key in inherited}:
        raise invalid_tags(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key"
            " from the calling session."
        )
    return with_transitive(asked, tuple(str(key) for key in params.get("TransitiveTagKeys", ())), inherited)


def tags_of(params: Params) -> dict[str, str]:
    """`Tags` of a request by key; raises AwsError InvalidParameterValue."""
    given = [(str(tag["Key"]), str(tag["Value"])) for tag in params.get("Tags", ())]
    return checked_tags(given)


def checked_tags(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Raises AwsError InvalidParameterValue for a key that is there twice or is reserved."""
    if len({key.lower() for key, _ in given}) < len(given):
        raise invalid_tags("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key, _ in given):
        raise invalid_tags('"aws:" prefixed tag key names are not allowed for external use.')
    return dict(given)


def with_transitive(asked: Mapping[str, str], transitive: tuple[str, ...], inherited: Mapping[str, str]) -> SessionTags:
    """The session's tags; raises AwsError InvalidParameterValue for a transitive key that is no tag of the request."""
    known = {key.lower() for key in asked}
    if any(key.lower() not in known for key in transitive):
        raise invalid_tags("The specified transitive tag key must be included in the requested tags.")
    return SessionTags({**inherited, **asked}, (*inherited, *transitive), asked)


def invalid_tags(message: str) -> AwsError:
    return AwsError.of("InvalidParameterValue", message)
