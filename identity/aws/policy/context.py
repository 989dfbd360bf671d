"""What a policy is evaluated against: who asks, for which action on which resource, and the condition keys of the request.

Names of condition keys do not depend on case, so a context holds them in lower case (`request_keys` and `lowered` make them
so). A key always has a tuple of values, for some keys (`aws:TagKeys`) are lists; a key that the request does not have is
absent, which is not the same as empty text.
Wire facts: docs/reference/aws-wire.md#condition-keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

Keys = Mapping[str, tuple[str, ...]]
PrincipalKind = Literal["root", "user", "assumed-role", "federated-user", "service", "federated", "anonymous"]

EMPTY: Mapping[str, str] = {}
PRINCIPAL_TYPES: Mapping[PrincipalKind, str] = {  # values of aws:PrincipalType
    "root": "Account",
    "user": "User",
    "assumed-role": "AssumedRole",
    "federated-user": "FederatedUser",
    "anonymous": "Anonymous",
}


@dataclass(frozen=True, slots=True)
class RequestPrincipal:
    """Who asks.

    `arn` is the most specific name: of the user, of the role's session, of the federated user; of an account's root user
    "arn:aws:iam::ACCOUNT:root". `principal_arn` is what the permissions hang on: the role of a session, the user who made
    a federated session; else the same as `arn`. A `service` has its host name ("ec2.amazonaws.com") as `arn`, a `federated`
    principal (web identity or SAML, before it has a session) the provider's ARN or host name.
    Times are epoch seconds, None when the credentials have none: long-term keys, a session without MFA.
    """

    kind: PrincipalKind
    account_id: str
    arn: str
    principal_arn: str
    user_id: str  # "AIDA...", "AROA...:session", "ACCOUNT:name", the account's id for root
    user_name: str = ""  # of an IAM user only
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    token_issued_s: float | None = None
    mfa_authenticated_s: float | None = None
    source_identity: str = ""
    federated_provider: str = ""  # of a session that came from a web identity or SAML
    keys: Keys = field(init=False, repr=False, compare=False)  # that it has in every request, by lower-case name

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", _principal_keys(self))

    @property
    def role_id(self) -> str:
        """The unique id of a session's role, "" for any other principal."""
        return self.user_id.partition(":")[0] if self.kind == "assumed-role" else ""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request as policies see it. `keys` has lower-case names; `resource` is an ARN, or "*" for an action without one.

    `resource_account_id` is the account that owns the resource, "" for the principal's own.
    """

    action: str  # "sts:AssumeRole"
    resource: str
    principal: RequestPrincipal
    keys: Keys
    resource_account_id: str = ""

    @property
    def is_cross_account(self) -> bool:
        return self.resource_account_id not in ("", self.principal.account_id)


class RequestFacts(NamedTuple):
    """What the service that was called knows about the call, apart from its caller. "" is not known."""

    now_s: float
    requested_region: str
    source_ip: str = ""
    user_agent: str = ""
    secure_transport: bool = False


def request_keys(principal: RequestPrincipal, facts: RequestFacts, more: Mapping[str, str | Sequence[str]] = EMPTY) -> Keys:
    """The global condition keys of a request, and `more` of the action's own (`sts:ExternalId`), by lower-case name."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:currenttime": (iso_time(facts.now_s),),
        "aws:epochtime": (str(int(facts.now_s)),),
        "aws:requestedregion": (facts.requested_region,),
        "aws:securetransport": (truth(facts.secure_transport),),
        "aws:viaawsservice": ("false",),
        "aws:principalisawsservice": (truth(principal.kind == "service"),),
    }
    if facts.source_ip:
        keys["aws:sourceip"] = (facts.source_ip,)
    if facts.user_agent:
        keys["aws:useragent"] = (facts.user_agent,)
    keys.update(principal.keys)
    _add_session(keys, principal, facts.now_s)
    keys.update(lowered(more))
    return keys


def _principal_keys(principal: RequestPrincipal) -> Keys:
    """The keys that a principal has in every request, whatever its credentials. One without an ARN has none."""
    keys: dict[str, tuple[str, ...]] = {}
    if not principal.arn:
        return keys
    if principal.kind in PRINCIPAL_TYPES:
        keys["aws:principaltype"] = (PRINCIPAL_TYPES[principal.kind],)
    if principal.kind in ("root", "user", "assumed-role", "federated-user"):
        # the key names the role of a session, and of a federated session the session itself
        named = principal.principal_arn if principal.kind == "assumed-role" else principal.arn
        keys["aws:principalarn"] = (named,)
        keys["aws:principalaccount"] = (principal.account_id,)
        keys["aws:userid"] = (principal.user_id,)
    if principal.user_name:
        keys["aws:username"] = (principal.user_name,)
    return {**keys, **tag_keys("aws:PrincipalTag", principal.tags)}


def _add_session(keys: dict[str, tuple[str, ...]], principal: RequestPrincipal, now_s: float) -> None:
    """The keys that only temporary credentials have. Long-term keys lack even aws:MultiFactorAuthPresent."""
    if principal.token_issued_s is not None:
        keys["aws:tokenissuetime"] = (iso_time(principal.token_issued_s),)
        keys["aws:multifactorauthpresent"] = (truth(principal.mfa_authenticated_s is not None),)
    if principal.mfa_authenticated_s is not None:
        keys["aws:multifactorauthage"] = (str(max(0, int(now_s - principal.mfa_authenticated_s))),)
    if principal.source_identity:
        keys["aws:sourceidentity"] = (principal.source_identity,)
    if principal.federated_provider:
        keys["aws:federatedprovider"] = (principal.federated_provider,)


def lowered(keys: Mapping[str, str | Sequence[str]]) -> Keys:
    """Condition keys by lower-case name, each value a tuple. Of two names that differ in case only, the last one counts."""
    return {name.lower(): (value,) if isinstance(value, str) else tuple(value) for name, value in keys.items()}


def tag_keys(prefix: str, tags: Mapping[str, str]) -> Keys:
    """`PREFIX/NAME` per tag, for the prefixes aws:RequestTag, aws:ResourceTag and iam:ResourceTag."""
    return {f"{prefix}/{name}".lower(): (value,) for name, value in tags.items()}


def request_tag_keys(tags: Mapping[str, str]) -> Keys:
    """aws:RequestTag/NAME per tag and aws:TagKeys with all names; without tags no keys."""
    return {**tag_keys("aws:RequestTag", tags), "aws:tagkeys": tuple(tags)} if tags else {}


def truth(value: bool) -> str:
    return "true" if value else "false"


def iso_time(epoch_s: float) -> str:
    """`2030-01-01T00:00:00Z`, whole seconds."""
    return _iso_second(int(epoch_s))


@lru_cache(maxsize=4096)  # many requests share a second, and the runs of a search have theirs in common
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
