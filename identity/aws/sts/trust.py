"""May this principal assume this role? The role's trust policy decides, with the caller's policies where it leaves it to them.

A trust policy that names the account hands the decision to the policies of the caller; one that names a user or role of the
same account decides alone; one that names a service or an identity provider is the only policy there is. Tagging the session
and setting its source identity are actions of their own, which have to be allowed beside it.
Wire facts: docs/reference/aws-wire.md#assuming-a-role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from brownout.identity.aws.arns import Arn
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError, access_denied, not_authorized, validation_error
from brownout.identity.aws.policy.context import (
    RequestContext,
    RequestFacts,
    RequestPrincipal,
    request_keys,
    request_tag_keys,
    tag_keys,
)
from brownout.identity.aws.policy.evaluate import denial, evaluate
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.principals import SHORTEST_SESSION_S, Role
from brownout.identity.aws.regional.annex import RegionalAnnex, RequestKeys
from brownout.identity.aws.regional.denials import AccessDeniedError
from brownout.identity.aws.regional.index import AccountIndex
from brownout.identity.aws.sts.session_policies import NO_TAGS, SessionTags

CHAINED_SESSION_S = 3600  # the longest of a session that another session asked for
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """One request for a session of a role: by which action, under which name, with what."""

    action: str  # "sts:AssumeRole"
    role: Role
    session_name: str
    facts: RequestFacts
    tags: SessionTags = NO_TAGS
    source_identity: str = ""
    keys: RequestKeys = field(default_factory=dict)  # condition keys of this way of asking

    def actions(self) -> Iterator[str]:
        """All that has to be allowed."""
        yield self.action
        if self.tags.tags:
            yield "sts:TagSession"
        if self.source_identity:
            yield "sts:SetSourceIdentity"

    def condition_keys(self) -> RequestKeys:
        known: dict[str, str | tuple[str, ...]] = {"sts:RoleSessionName": self.session_name}
        if self.source_identity:
            known["sts:SourceIdentity"] = self.source_identity
        if self.tags.transitive:
            known["sts:TransitiveTagKeys"] = self.tags.transitive
        for prefix in ("aws:ResourceTag", "iam:ResourceTag"):
            known.update(tag_keys(prefix, self.role.tags))
        return {**known, **request_tag_keys(self.tags.asked), **self.keys}


def find_role(index: AccountIndex, arn: str) -> Role | None:
    """The role of that ARN, None for none; raises AwsError ValidationError for what is no ARN of a role."""
    name = _role_name(arn)
    if name is None:
        raise validation_error(f"{arn} is invalid")
    role = index.account.roles.get(name)
    return role if role is not None and role.arn == arn else None


@lru_cache(maxsize=1024)
def _role_name(arn: str) -> str | None:
    """The role's name in lower case; None for what is no ARN of a role."""
    try:
        parsed = Arn.parse(arn)
    except ValueError:
        return None
    return parsed.name.lower() if parsed.service == "iam" and parsed.kind == "role" else None


def session_length(role: Role, asked_s: int | None, *, chained: bool = False, most_s: int | None = None) -> int:
    """Seconds that the session will last; raises AwsError ValidationError for more than it may."""
    length_s = SHORTEST_SESSION_S if asked_s is None else asked_s
    if length_s > role.max_session_s:
        raise validation_error("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if chained and length_s > CHAINED_SESSION_S:
        raise validation_error(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return length_s if most_s is None else min(length_s, most_s)


def check_caller(annex: RegionalAnnex, caller: Caller, wanted: RoleRequest) -> None:
    """Raises AwsError AccessDenied unless the caller may assume the role as asked."""
    trust = parse_document(wanted.role.trust, "trust")
    keys = wanted.condition_keys()
    for action in wanted.actions():
        if annex.index.settle(caller, action, wanted.role, trust):
            continue
        context = annex.context(caller, action, wanted.role.arn, wanted.facts, keys)
        decision = annex.decide(caller, context, resource_policy=trust, resource_must_allow=True)
        if not decision.allowed:
            message = denial(context, decision, resource=wanted.role.arn, trust=True)
            raise AccessDeniedError(message, context, decision)


def check_outsider(principal: RequestPrincipal, wanted: RoleRequest) -> None:
    """The same for a principal without policies: a service or an identity provider, whom the trust policy alone lets in."""
    trust = parse_document(wanted.role.trust, "trust")
    keys = request_keys(principal, wanted.facts, wanted.condition_keys())
    for action in wanted.actions():
        context = RequestContext(action, wanted.role.arn, principal, keys)
        if not evaluate(context, (), resource_policy=trust, resource_must_allow=True).allowed:
            raise not_trusted(action)


def not_trusted(action: str) -> AwsError:
    """The refusal of who comes with a token and not with a signature: it names neither role nor policy."""
    return access_denied(f"Not authorized to perform {action}")


def outsider(kind: str, name: str, account_id: str) -> RequestPrincipal:
    """A service ("ec2.amazonaws.com") or a federated principal (the ARN of its provider)."""
    assert kind in ("service", "federated"), kind
    return RequestPrincipal("service" if kind == "service" else "federated", account_id, name, name, name)


def unknown_role(caller: Caller, arn: str) -> AwsError:
    """A role that does not exist is refused in the words for one that does not trust the caller."""
    return not_authorized(caller.arn, "sts:AssumeRole", arn)
