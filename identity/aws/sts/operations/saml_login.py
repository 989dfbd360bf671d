"""AssumeRoleWithSAML: a session of a role for who shows an assertion of a SAML provider of the account.

Wire facts: docs/reference/aws-wire.md#saml-assertions.
"""

from __future__ import annotations

import base64
import hashlib

from brownout.identity.aws.errors import validation_error
from brownout.identity.aws.records.providers import SamlProvider
from brownout.identity.aws.saml_metadata import parse_metadata
from brownout.identity.aws.sts.call import StsCall, StsResult
from brownout.identity.aws.sts.issuing import SessionWish, issue, members
from brownout.identity.aws.sts.saml import SamlAssertion, read_response
from brownout.identity.aws.sts.session_policies import SessionTags, checked_tags, session_limits, with_transitive
from brownout.identity.aws.sts.trust import (
    SESSION_NAME,
    RoleRequest,
    check_outsider,
    find_role,
    not_trusted,
    outsider,
    session_length,
)
from brownout.identity.aws.sts.web_tokens import invalid_identity_token

ACTION = "sts:AssumeRoleWithSAML"
SHORTEST_S, LONGEST_S = 900, 43_200


def assume_role_with_saml(call: StsCall) -> StsResult:
    params, annex = call.params, call.annex
    role = find_role(annex.index, params["RoleArn"])
    provider = annex.index.account.saml_providers.get(params["PrincipalArn"])
    if provider is None:
        raise invalid_identity_token("Specified provider doesn't exist")
    assertion = read_response(params["SAMLAssertion"], parse_metadata(provider.metadata), call.now_s)
    name, source = assertion.one("RoleSessionName"), assertion.one("SourceIdentity")
    if not SESSION_NAME.fullmatch(name):
        raise invalid_identity_token("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    if role is None or not assertion.grants(role.arn, provider.arn):
        raise not_trusted(ACTION)
    annex.check_activated()
    length_s = session_length(role, params.get("DurationSeconds"), most_s=_stated_length_s(assertion))
    tags = _tags(assertion)
    limits = session_limits(params, annex.index, tags)
    qualifier = _name_qualifier(assertion.issuer, annex.account_id, provider)
    keys = _condition_keys(assertion, qualifier, provider)
    asked = RoleRequest(ACTION, role, name, call.facts, tags, source, keys)
    check_outsider(outsider("federated", provider.arn, annex.account_id), asked)
    wish = SessionWish(
        "assumed-role",
        role.arn,
        role.role_id,
        name,
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
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "Subject": assertion.subject,
        "SubjectType": assertion.subject_type,
        "Issuer": assertion.issuer,
        "Audience": assertion.recipient,
        "NameQualifier": qualifier,
    }


def _stated_length_s(assertion: SamlAssertion) -> int | None:
    """The length that the identity provider states, None for none; raises AwsError ValidationError."""
    stated = assertion.one("SessionDuration")
    if not stated:
        return None
    if not (stated.isascii() and stated.isdigit() and SHORTEST_S <= int(stated) <= LONGEST_S):
        raise validation_error(f"SessionDuration in AuthnResponse must be between {SHORTEST_S} and {LONGEST_S}")
    return int(stated)


def _tags(assertion: SamlAssertion) -> SessionTags:
    asked = checked_tags(tuple(assertion.tags.items()))
    return with_transitive(asked, assertion.attributes.get("TransitiveTagKeys", ()), {})


def _name_qualifier(issuer: str, account_id: str, provider: SamlProvider) -> str:
    """What makes a subject unique among the accounts and providers of an issuer."""
    return base64.b64encode(hashlib.sha1(f"{issuer}{account_id}/{provider.name}".encode()).digest()).decode()  # noqa: S324 (a name, as AWS documents it)


def _condition_keys(assertion: SamlAssertion, qualifier: str, provider: SamlProvider) -> dict[str, str]:
    return {
        "saml:aud": assertion.recipient,
        "saml:iss": assertion.issuer,
        "saml:sub": assertion.subject,
        "saml:sub_type": assertion.subject_type,
        "saml:namequalifier": qualifier,
        "saml:doc": f"{provider.arn.split(':')[4]}/{provider.name}",
        "aws:FederatedProvider": provider.arn,
    }
