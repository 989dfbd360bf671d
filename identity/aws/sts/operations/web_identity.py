"""AssumeRoleWithWebIdentity: a session of a role for who shows a token of an OpenID Connect provider of the account.

Wire facts: docs/reference/aws-wire.md#web-identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.providers import OidcProvider
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import SessionWish, issue, members
from brownout.identity.aws.sts.session_policies import NO_TAGS, SessionTags, checked_tags, session_limits, with_transitive
from brownout.identity.aws.sts.trust import RoleRequest, check_outsider, find_role, not_trusted, outsider, session_length
from brownout.identity.aws.sts.web_tokens import NOT_A_TOKEN, WebToken, invalid_identity_token, read_token, time_claim

ACTION = "sts:AssumeRoleWithWebIdentity"
TAGS_CLAIM, SOURCE_CLAIM = "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity"
REQUIRED = ("iss", "sub", "aud", "exp", "iat")


def assume_role_with_web_identity(call: StsCall) -> StsResult:
    params, annex = call.params, call.annex
    if "ProviderId" in params:  # access tokens of three providers that IAM knew by name before OpenID Connect
        raise invalid_identity_token(f"The provider {params['ProviderId']} is not supported")
    role = find_role(annex.index, params["RoleArn"])
    token = read_token(params["WebIdentityToken"])
    provider = _provider(call, token)
    _check_claims(call, token, provider)
    if role is None:
        raise not_trusted(ACTION)
    annex.check_activated()
    length_s = session_length(role, params.get("DurationSeconds"))
    tags, source = _tags(token.claims), str(token.claims.get(SOURCE_CLAIM, ""))
    limits = session_limits(params, annex.index, tags)
    asked = RoleRequest(ACTION, role, params["RoleSessionName"], call.facts, tags, source, _condition_keys(token, provider))
    check_outsider(outsider("federated", provider.arn, annex.account_id), asked)
    wish = SessionWish(
        "assumed-role",
        role.arn,
        role.role_id,
        asked.session_name,
        length_s,
        limits,
        tags,
        source_identity=source,
        facts={"aws:FederatedProvider": (provider.arn,)},
        is_global=call.is_global,
        least_token_bytes=call.least_token_bytes,
    )
    session, credentials = issue(annex, wish)
    return {
        **members(wish, credentials),
        "SubjectFromWebIdentityToken": token.claims["sub"],
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "Provider": provider.arn,
        "Audience": token.audiences[0],
    }


def _provider(call: StsCall, token: WebToken) -> OidcProvider:
    """The account's provider that issued the token; raises AwsError InvalidIdentityToken."""
    for claim in REQUIRED:
        if claim not in token.claims:
            raise invalid_identity_token(f"Missing a required claim: {claim}")
    issuer, account = str(token.claims["iss"]), call.annex.index.account
    provider = account.oidc_providers.get(arns.oidc_provider(account.account_id, issuer))
    if provider is None or not issuer.startswith("https://"):
        raise invalid_identity_token(f"No OpenIDConnect provider found in your account for {issuer}")
    return provider


def _check_claims(call: StsCall, token: WebToken, provider: OidcProvider) -> None:
    """Raises AwsError unless the provider signed the token, and it is for the account and for now."""
    call.annex.providers.check(token, provider.url)
    ends_s, starts_s = time_claim(token.claims, "exp"), time_claim(token.claims, "nbf")
    if ends_s is None or not token.audiences or not isinstance(token.claims["sub"], str):
        raise invalid_identity_token(NOT_A_TOKEN)
    now_s = call.now_s
    if now_s >= ends_s:
        text = f"Token expired: current date/time {int(now_s)} must be before the expiration date/time {int(ends_s)}"
        raise AwsError.of("ExpiredTokenException", text)
    if starts_s is not None and now_s < starts_s:
        raise invalid_identity_token(f"Token not active: current date/time {int(now_s)} must be after {int(starts_s)}")
    if not any(audience in provider.client_ids for audience in token.audiences):
        raise invalid_identity_token("Incorrect token audience")


def _condition_keys(token: WebToken, provider: OidcProvider) -> Mapping[str, str | tuple[str, ...]]:
    """The claims that trust policies can ask for, by `PROVIDER:CLAIM`."""
    keys: dict[str, str | tuple[str, ...]] = {
        f"{provider.url}:aud": token.audiences,
        f"{provider.url}:sub": str(token.claims["sub"]),
        "aws:FederatedProvider": provider.arn,
    }
    methods = token.claims.get("amr")
    if isinstance(methods, list):
        keys[f"{provider.url}:amr"] = tuple(str(method) for method in methods)
    if "azp" in token.claims and isinstance(token.claims.get("aud"), str):
        keys[f"{provider.url}:oaud"] = str(token.claims["aud"])
    return keys


def _tags(claims: Mapping[str, Any]) -> SessionTags:
    """Session tags that the token carries; raises AwsError for a claim of another form."""
    stated = claims.get(TAGS_CLAIM)
    if stated is None:
        return NO_TAGS
    try:
        given = [(str(key), str(values[0])) for key, values in stated.get("principal_tags", {}).items()]
        transitive = tuple(str(key) for key in stated.get("transitive_tag_keys", ()))
    except (AttributeError, TypeError, KeyError, IndexError):
        raise invalid_identity_token(f"The claim {TAGS_CLAIM} is invalid") from None
    return with_transitive(checked_tags(given), transitive, {})
