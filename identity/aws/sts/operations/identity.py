"""Who calls, and whose a key is: GetCallerIdentity, GetAccessKeyInfo, DecodeAuthorizationMessage."""

from __future__ import annotations

from brownout.identity.aws import ids
from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.regional.denials import UnreadableMessage, read_message
from brownout.identity.aws.sts.call import StsCall, StsResult


def get_caller_identity(call: StsCall) -> StsResult:
    """Every caller may ask for its own identity, whatever policies say."""
    caller = call.caller
    return {"UserId": caller.user_id, "Account": caller.account_id, "Arn": caller.arn}


def get_access_key_info(call: StsCall) -> StsResult:
    """A key's id holds its account, so also a key that no longer exists can be asked for."""
    call.authorize("sts:GetAccessKeyInfo", "*")
    try:
        return {"Account": ids.account_of(call.params["AccessKeyId"])}
    except ValueError:
        raise validation_error("The specified access key ID is invalid.") from None


def decode_authorization_message(call: StsCall) -> StsResult:
    call.authorize("sts:DecodeAuthorizationMessage", "*")
    try:
        return {"DecodedMessage": read_message(call.params["EncodedMessage"], call.annex.index.account)}
    except UnreadableMessage:
        raise AwsError.of("InvalidAuthorizationMessageException", "Invalid authorization message") from None
