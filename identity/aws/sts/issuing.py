"""Temporary credentials are made here: a key id, a secret, and both with the whole session sealed into the session token.

A region issues with the sealing key that ends last of those that are valid. It was made in the home region and published
ahead of its time; when the newest has ended, the region can open old tokens and issue no new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from brownout.identity.aws import ids
from brownout.identity.aws.auth.caller import NOTHING, CallerKind, Credentials, Session
from brownout.identity.aws.auth.sealing import seal_with
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.regional.annex import GLOBAL_TOKENS, RegionalAnnex
from brownout.identity.aws.sts.session_policies import NO_LIMITS, NO_TAGS, SessionLimits, SessionTags

LARGEST_TOKEN_BYTES = 4096
NO_KEY = "The region has no valid key to issue credentials with: its newest key has ended and none came since."


class SessionWish(NamedTuple):
    """Whose session is wanted, for how long, and held to what. Its fields are those of `Session`."""

    kind: CallerKind
    principal_arn: str
    principal_id: str
    name: str
    duration_s: int
    limits: SessionLimits = NO_LIMITS
    tags: SessionTags = NO_TAGS
    source_identity: str = ""
    mfa_s: float | None = None
    chained: bool = False
    facts: Mapping[str, tuple[str, ...]] = NOTHING
    is_global: bool = False  # asked for at the global name of STS
    least_token_bytes: int = 0


def issue(annex: RegionalAnnex, wish: SessionWish) -> tuple[Session, Credentials]:
    """A new session with its credentials; raises AwsError ServiceUnavailable when the region has no key to seal it with."""
    index, ports = annex.index, annex.node.ports
    now_s = ports.now()
    key = index.sealing_key(now_s)
    if key is None:
        raise AwsError.of("ServiceUnavailable", NO_KEY)
    # Taken apart, because each field of a named tuple takes longer by name.
    kind, arn, principal_id, name, length_s, limits, tags, source_identity, mfa_s, chained, facts, is_global, least = wish
    version_1 = is_global and index.account.settings.global_token_version == 1
    account, expires_s = annex.account_id, now_s + length_s
    key_id, secret, nonce = ids.session_keys(account, ports.chance())
    session = Session(
        key_id,
        secret,
        account,
        kind,
        arn,
        principal_id,
        name,
        now_s,
        expires_s,
        GLOBAL_TOKENS if version_1 else annex.aws_region,
        limits.policies,
        limits.arns,
        tags.tags,
        tags.transitive,
        source_identity,
        mfa_s,
        chained,
        facts,
    )
    return session, Credentials(key_id, secret, seal_with(session, key, nonce, least_bytes=least), expires_s)


def scoped(annex: RegionalAnnex, session: Session, ends_s: float, scopes: tuple[str, ...], least_bytes: int) -> Credentials:
    """Credentials for the same session until `ends_s`, held to those scopes; raises AwsError as `issue` does.

    When the session began stays as it is, so that what revokes the sessions of before a time revokes this too.
    """
    assert ends_s <= session.expires_s, "what is scoped down lasts no longer"
    ports = annex.node.ports
    key = annex.index.sealing_key(ports.now())
    if key is None:
        raise AwsError.of("ServiceUnavailable", NO_KEY)
    key_id, secret, nonce = ids.session_keys(annex.account_id, ports.chance())
    made = session._replace(access_key_id=key_id, secret_access_key=secret, expires_s=ends_s, scopes=scopes)
    token = seal_with(made, key, nonce, least_bytes=least_bytes)
    return Credentials(key_id, secret, token, ends_s)


def members(wish: SessionWish, credentials: Credentials) -> dict[str, object]:
    """The members that all operations which issue credentials have in their output."""
    key_id, secret, token, ends_s = credentials
    size = len(token)
    found: dict[str, object] = {
        "Credentials": {"AccessKeyId": key_id, "SecretAccessKey": secret, "SessionToken": token, "Expiration": ends_s},
        "SessionTokenSize": size,
        "SessionTokenUtilization": min(100, -(-100 * size // LARGEST_TOKEN_BYTES)),
    }
    if wish.source_identity:
        found["SourceIdentity"] = wish.source_identity
    if wish.limits.packed_percent is not None:
        found["PackedPolicySize"] = wish.limits.packed_percent
    return found
