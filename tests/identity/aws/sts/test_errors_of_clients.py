"""Every error that STS can answer, got by a real boto3 client that did what it is for.

Wire facts: docs/reference/aws-wire.md#error-codes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.records.published import PublishedKey
from support.published_accounts import DAY_S
from support.simulated_aws import STS_NODE, SimulatedAws, refusal, temporary

INVALID = ("InvalidClientTokenId", 403, "The security token included in the request is invalid.")


def told(call: Any, **params: Any) -> tuple[str, int, str]:
    found = refusal(call, **params)
    return found.code, found.status, found.message


def test_a_wrong_secret(aws: SimulatedAws) -> None:
    """SignatureDoesNotMatch: the request was not signed with the key's secret."""
    wrong = aws.maker.key_of("caller")._replace(secret_access_key="x" * 40)
    code, status, message = told(aws.client("sts", wrong).get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert message.startswith("The request signature we calculated does not match the signature you provided.")


def test_a_key_that_nobody_has(aws: SimulatedAws) -> None:
    """InvalidClientTokenId: no such key."""
    assert told(aws.client("sts", Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)).get_caller_identity) == INVALID


def test_an_inactive_key(aws: SimulatedAws) -> None:
    """InvalidClientTokenId: the key was deactivated."""
    key_id = aws.maker.key_of("caller").access_key_id
    known = aws.maker.account("sydney").access_keys[key_id]
    aws.maker.put(PublishedKey(key_id, "caller", known.first_day, known.region_keys, "Inactive"))
    aws.publish(STS_NODE)
    assert told(aws.client("sts", aws.maker.key_of("caller")).get_caller_identity) == INVALID


def test_a_session_key_without_its_token_or_with_another(aws: SimulatedAws) -> None:
    """InvalidClientTokenId: temporary credentials are a key, a secret and a token that belong together."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    first, second = (temporary(sts.get_session_token()) for _ in range(2))
    for broken in (first._replace(session_token=""), first._replace(session_token=second.session_token)):
        assert told(aws.client("sts", broken).get_caller_identity) == INVALID
    assert told(aws.client("sts", first._replace(session_token="FwoGZXIvYXdzE")).get_caller_identity) == INVALID


def test_a_session_that_has_ended(aws: SimulatedAws) -> None:
    """ExpiredToken: the session is past its end, to the second."""
    session = temporary(aws.client("sts", aws.maker.key_of("caller")).get_session_token(DurationSeconds=900))
    aws.sleep(899)
    aws.client("sts", session).get_caller_identity()
    aws.sleep(1)
    code, status, message = told(aws.client("sts", session).get_caller_identity)
    assert (code, status, message) == ("ExpiredToken", 403, "The security token included in the request is expired")


@pytest.mark.parametrize(("off_s", "text"), [(-901, "Signature expired: "), (901, "Signature not yet current: ")])
def test_a_clock_that_is_off(aws: SimulatedAws, off_s: int, text: str) -> None:
    """SignatureDoesNotMatch: the signature's date is more than 15 minutes off."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    skewed = datetime.fromtimestamp(aws.now_s + off_s, UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=skewed):
        code, status, message = told(sts.get_caller_identity)
    assert (code, status, message.startswith(text)) == ("SignatureDoesNotMatch", 403, True), message


def test_a_scope_of_another_region(aws: SimulatedAws) -> None:
    """SignatureDoesNotMatch: the credential is scoped to another region than the endpoint's."""
    code, status, message = told(aws.client("sts", aws.maker.key_of("caller"), region="eu-west-1").get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert "Credential should be scoped to a valid region" in message


def test_a_request_without_a_signature(aws: SimulatedAws) -> None:
    """MissingAuthenticationToken: the call has to be signed and is not."""
    code, status, _ = told(aws.client("sts", None, signature_version=_unsigned()).get_caller_identity)
    assert (code, status) == ("MissingAuthenticationToken", 403)


def test_a_signature_that_is_none(aws: SimulatedAws) -> None:
    """IncompleteSignature: the header has not the form of a signature."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    sts.meta.events.register_last("request-created.sts", _spoil)
    code, status, _ = told(sts.get_caller_identity)
    assert (code, status) == ("IncompleteSignature", 400)


def test_what_policies_do_not_allow(aws: SimulatedAws) -> None:
    """AccessDenied: neither trust nor policies allow the call; the message says who, what and on which resource."""
    role = aws.client("sts", temporary(_app(aws)))
    code, status, message = told(role.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    assert (code, status) == ("AccessDenied", 403)
    assert message.startswith(f"User: arn:aws:sts::{aws.maker.account_id}:assumed-role/app/job is not authorized to perform:")


def test_a_region_where_sts_is_deactivated(aws: SimulatedAws) -> None:
    """RegionDisabledException: the account has not activated STS in the region; identities are still told."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    aws.hold(STS_NODE, "deactivate-sts")
    found = refusal(sts.assume_role, RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    assert (found.code, found.status, found.exception) == ("RegionDisabledException", 403, "RegionDisabledException")
    assert found.message.startswith(f"STS is not activated in this region for account:{aws.maker.account_id}.")
    assert refusal(sts.get_session_token).code == refusal(sts.get_federation_token, Name="bob").code == found.code
    sts.get_caller_identity()


def test_parameters_that_break_a_constraint(aws: SimulatedAws) -> None:
    """ValidationError: in the words of the service, with the value and the constraint."""
    sts = aws.client("sts", aws.maker.key_of("caller"), parameter_validation=False)
    code, status, message = told(sts.get_session_token, DurationSeconds=10)
    assert (code, status) == ("ValidationError", 400)
    assert message.startswith("1 validation error detected: Value 10 at 'durationSeconds' failed to satisfy constraint")


def test_an_operation_that_there_is_not(aws: SimulatedAws) -> None:
    """InvalidAction, as an action of a newer version would be answered, whatever its parameters."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    sts.meta.events.register(
        "before-call.sts.GetCallerIdentity", lambda params, **_: params["body"].update(Action="GetNothing")
    )
    code, status, message = told(sts.get_caller_identity)
    assert (code, status) == ("InvalidAction", 400)
    assert "GetNothing for version 2011-06-15" in message


def test_a_region_whose_keys_have_ended(aws: SimulatedAws) -> None:
    """ServiceUnavailable: the newest sealing key has ended. What was issued before is good for as long as it lasts."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    aws.sleep(2 * DAY_S - 1)
    session = aws.client("sts", temporary(sts.get_session_token(DurationSeconds=129_600)))
    aws.sleep(1)
    for call, params in (
        (sts.get_session_token, {}),
        (sts.get_federation_token, {"Name": "bob"}),
        (sts.assume_role, {"RoleArn": aws.maker.role_arn("app"), "RoleSessionName": "job"}),
    ):
        code, status, message = told(call, **params)
        assert (code, status, "no valid key" in message) == ("ServiceUnavailable", 503, True)
    aws.sleep(DAY_S)
    session.get_caller_identity()
    sts.get_caller_identity()


def test_a_node_that_knows_no_account_yet(aws: SimulatedAws) -> None:
    """ServiceUnavailable: clients try again."""
    node = aws.node()
    node.annexes["aws"]._index = None  # type: ignore[attr-defined]  # as before the first publication
    assert told(aws.client("sts", aws.maker.key_of("caller")).get_caller_identity)[:2] == ("ServiceUnavailable", 503)


def test_a_message_that_cannot_be_decoded(aws: SimulatedAws) -> None:
    """InvalidAuthorizationMessageException: no key of the account opens it."""
    found = refusal(aws.client("sts", aws.maker.key_of("caller")).decode_authorization_message, EncodedMessage="AAAA")
    assert (found.code, found.status) == ("InvalidAuthorizationMessageException", 400)


def test_a_denial_can_be_decoded(aws: SimulatedAws) -> None:
    """The message that comes with a denial says who asked for what, and which statements matched."""
    refusal(aws.client("sts", temporary(_app(aws))).get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
    encoded = aws.answers[-1].headers["x-brownout-authorization-message"]
    for node in (STS_NODE, "melbourne.token.z3"):
        decoded = aws.client("sts", aws.maker.key_of("caller"), node).decode_authorization_message(EncodedMessage=encoded)
        assert '"action":"sts:GetAccessKeyInfo"' in decoded["DecodedMessage"]
        assert '"allowed":false,"explicitDeny":false' in decoded["DecodedMessage"]


def test_whose_a_key_is(aws: SimulatedAws) -> None:
    """GetAccessKeyInfo finds the account in the id of a key, and refuses what is no id."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    assert sts.get_access_key_info(AccessKeyId=aws.maker.key_of("admin").access_key_id)["Account"] == aws.maker.account_id
    assert told(sts.get_access_key_info, AccessKeyId="AKIA" + "!" * 16)[0] == "ValidationError"
    assert told(sts.get_access_key_info, AccessKeyId="A" * 16)[0] == "ValidationError"


def _app(aws: SimulatedAws) -> Any:
    return aws.client("sts", aws.maker.key_of("caller")).assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED


def _spoil(request: Any, **_: Any) -> None:
    del request.headers["Authorization"]
    request.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=what"
