"""GetDelegatedAccessToken: credentials of who approved a delegation request, for the token that was sent to the partner.

The token holds the whole session, so a region that is cut off exchanges it too.
Wire facts: docs/reference/aws-wire.md#delegation-requests.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.sealing import UnreadableToken, open_token
from brownout.identity.aws.auth.trade_in import is_mark
from brownout.identity.aws.errors import AwsError, access_denied, invalid_action, validation_error
from brownout.identity.aws.protocol.services import VERSIONS
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import LARGEST_TOKEN_BYTES, scoped

NAME = "GetDelegatedAccessToken"


def get_delegated_access_token(call: StsCall) -> StsResult:
    if call.is_global:
        raise invalid_action(NAME, VERSIONS["sts"])
    annex = call.annex
    annex.check_activated()
    call.authorize(f"sts:{NAME}", "*")
    try:
        session = open_token(str(call.params["TradeInToken"]), annex.index.account)
    except UnreadableToken:
        raise validation_error("The trade-in token is not valid.") from None
    if not is_mark(session.access_key_id) or session.account_id != annex.account_id:
        raise validation_error("The trade-in token is not valid.")
    if session.expires_s <= call.now_s:
        raise AwsError.of("ExpiredTradeInTokenException", "The trade-in token has expired.")
    delegated = session._replace(issuing_region=annex.aws_region)
    try:
        annex.index.check_alive(Caller.of_session(delegated, annex.aws_region, call.now_s))
    except AwsError:
        raise access_denied("The principal that approved the delegation request is not there any more.") from None
    made = scoped(annex, delegated, session.expires_s, session.scopes, 0)
    if len(made.session_token) > LARGEST_TOKEN_BYTES:
        raise AwsError.of("PackedPolicyTooLarge", "The permissions that were delegated are too large for a session.")
    return {
        "Credentials": {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.session_token,
            "Expiration": made.expires_s,
        },
        "AssumedPrincipal": session.arn,
    }
