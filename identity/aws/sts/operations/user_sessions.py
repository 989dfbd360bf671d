"""GetSessionToken and GetFederationToken: sessions of a user, or of a federated user for whom a user vouches.

Both need a long-term key. Wire facts: docs/reference/aws-wire.md#sessions-of-users.
"""

from __future__ import annotations

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.policy.context import request_tag_keys
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import SessionWish, issue, members
from brownout.identity.aws.sts.session_policies import SessionTags, session_limits, tags_of

DEFAULT_S = 43_200
MOST_OF_ROOT_S = 3600


def get_session_token(call: StsCall) -> StsResult:
    """Needs no permission: the session may do what the user may."""
    caller = call.long_term_caller("GetSessionToken")
    call.annex.check_activated()
    mfa_s = call.annex.mfa.shown(caller, call.params)
    wish = SessionWish(
        caller.kind,
        caller.principal_arn,
        caller.user_id,
        "",
        _length_s(call, caller),
        mfa_s=mfa_s,
        is_global=call.is_global,
        least_token_bytes=call.least_token_bytes,
    )
    return members(wish, issue(call.annex, wish)[1])


def get_federation_token(call: StsCall) -> StsResult:
    """The session may do what both the user and the session policies allow, and nothing without session policies."""
    caller, name = call.long_term_caller("GetFederationToken"), call.params["Name"]
    call.annex.check_activated()
    asked = tags_of(call.params)
    tags = SessionTags(asked, (), asked)
    limits = session_limits(call.params, call.annex.index, tags)
    resource, keys = arns.federated_user(call.annex.account_id, name), request_tag_keys(tags.asked)
    call.authorize("sts:GetFederationToken", resource, keys)
    if asked:
        call.authorize("sts:TagSession", resource, keys)
    wish = SessionWish(
        "federated-user",
        caller.principal_arn,
        caller.user_id,
        name,
        _length_s(call, caller),
        limits,
        tags,
        is_global=call.is_global,
        least_token_bytes=call.least_token_bytes,
    )
    session, credentials = issue(call.annex, wish)
    return {**members(wish, credentials), "FederatedUser": {"FederatedUserId": session.user_id, "Arn": session.arn}}


def _length_s(call: StsCall, caller: Caller) -> int:
    length_s = int(call.params.get("DurationSeconds", DEFAULT_S))
    return min(length_s, MOST_OF_ROOT_S) if caller.is_root else length_s
