"""GetScopedCredentials: other credentials of the caller's own session, which may do less, or end sooner, or both.

Wire facts: docs/reference/aws-wire.md#scoping-a-session-down.
"""

from __future__ import annotations

from brownout.identity.aws.errors import AwsError, access_denied, invalid_action, validation_error
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.protocol.services import VERSIONS
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import LARGEST_TOKEN_BYTES, scoped

NAME = "GetScopedCredentials"
MOST_SCOPES = 3


def get_scoped_credentials(call: StsCall) -> StsResult:
    """Needs no permission: the session that it makes may do nothing that the caller may not."""
    if call.is_global:
        raise invalid_action(NAME, VERSIONS["sts"])
    session = call.caller.session
    if session is None or call.caller.is_root:
        raise access_denied(f"Cannot call {NAME} with long-term or root credentials")
    call.annex.check_activated()
    text, length = str(call.params.get("Policy", "")), call.params.get("DurationSeconds")
    if not text and length is None:
        raise validation_error("At least one of Policy and DurationSeconds must be given.")
    scopes = (*session.scopes, text) if text else session.scopes
    if text:
        parse_document(text, "session")
    if len(scopes) > MOST_SCOPES:
        raise access_denied(f"The session has {MOST_SCOPES} scope down policies already.")
    left_s = session.expires_s - call.now_s
    if length is not None and int(length) > left_s:
        raise AwsError.of(
            "InsufficientSessionLifetime",
            f"The requested DurationSeconds exceeds the remaining lifetime of the calling session, {int(left_s)} seconds.",
        )
    ends_s = session.expires_s if length is None else call.now_s + int(length)
    made = scoped(call.annex, session, ends_s, scopes, call.least_token_bytes)
    size = len(made.session_token)
    if size > LARGEST_TOKEN_BYTES:
        raise AwsError.of(
            "PackedPolicyTooLarge", f"The session token has {size} bytes, and at most {LARGEST_TOKEN_BYTES} are allowed."
        )
    found = {
        "Credentials": {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.session_token,
            "Expiration": made.expires_s,
        },
        "SessionInfo": {"ScopedSessionId": session.user_id, "Arn": session.arn},
        "SessionTokenSize": size,
        "SessionTokenUtilization": -(-100 * size // LARGEST_TOKEN_BYTES),
        "ScopedPoliciesCount": len(scopes),
    }
    return found | ({"SourceIdentity": session.source_identity} if session.source_identity else {})
