"""GetWebIdentityToken: a JSON Web Token that says to services outside of AWS who the caller is.

It is signed with the stack's token key, whose public half is published at the issuer (`/.well-known/jwks.json`).
Wire facts: docs/reference/aws-wire.md#assumeroot-and-getwebidentitytoken.
"""

from __future__ import annotations

from typing import Any

from brownout.identity.aws.errors import AwsError, invalid_action, validation_error
from brownout.identity.aws.oidc_urls import outbound_issuer
from brownout.identity.aws.policy.context import request_tag_keys
from brownout.identity.aws.regional.annex import RequestKeys
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.session_policies import tags_of

ACTION = "sts:GetWebIdentityToken"
DEFAULT_S = 300
NAMESPACE = "https://sts.amazonaws.com/"
MOST_PAYLOAD_BYTES = 8192


def get_web_identity_token(call: StsCall) -> StsResult:
    params, annex, caller = call.params, call.annex, call.caller
    if call.is_global:
        raise invalid_action("GetWebIdentityToken", "2011-06-15")
    audiences, length_s = tuple(params["Audience"]), int(params.get("DurationSeconds", DEFAULT_S))
    tags = tags_of(params)
    call.authorize(ACTION, "*", _condition_keys(call, audiences, length_s, tags))
    if tags:
        call.authorize("sts:TagGetWebIdentityToken", "*", request_tag_keys(tags))
    if not annex.index.account.settings.outbound_federation:
        text = "Outbound web identity federation is not enabled for this account."
        raise AwsError.of("OutboundWebIdentityFederationDisabledException", text)
    if params.get("SubjectMode") == "OriginIdentity" or "Scope" in params:
        raise validation_error("The calling session has no trusted identity propagation context with an origin identity.")
    if caller.session is not None and call.now_s + length_s > caller.session.expires_s:
        text = "The requested token duration would extend the session beyond its original expiration time."
        raise AwsError.of("SessionDurationEscalationException", text)
    signing = annex.node.replica.signing
    token = annex.node.ports.signer.sign(signing.key_id, signing.private, _claims(call, audiences, length_s, tags))
    if len(token) > MOST_PAYLOAD_BYTES:
        raise AwsError.of(
            "JWTPayloadSizeExceededException", "The requested token payload size exceeds the maximum allowed size."
        )
    return {"WebIdentityToken": token, "Expiration": float(int(call.now_s) + length_s)}


def _condition_keys(call: StsCall, audiences: tuple[str, ...], length_s: int, tags: dict[str, str]) -> RequestKeys:
    return {
        "sts:IdentityTokenAudience": audiences,
        "sts:DurationSeconds": str(length_s),
        "sts:SigningAlgorithm": str(call.params["SigningAlgorithm"]),
        "sts:SubjectMode": str(call.params.get("SubjectMode", "AWSIdentity")),
        **request_tag_keys(tags),
    }


def _claims(call: StsCall, audiences: tuple[str, ...], length_s: int, tags: dict[str, str]) -> dict[str, Any]:
    caller, annex, issued = call.caller, call.annex, int(call.now_s)
    principal = annex.index.principal(caller)
    about: dict[str, Any] = {
        "aws_account": annex.account_id,
        "source_region": annex.aws_region,
        "principal_id": caller.principal_arn,
        "principal_tags": dict(principal.tags),
        "request_tags": tags,
    }
    return {
        "iss": outbound_issuer(annex.account_id),
        "sub": caller.principal_arn,
        "aud": audiences[0] if len(audiences) == 1 else list(audiences),
        "iat": issued,
        "exp": issued + length_s,
        "jti": annex.node.ports.new_id(),
        NAMESPACE: {name: value for name, value in about.items() if value},
    }
