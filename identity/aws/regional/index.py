"""One published account, indexed for requests: whose permissions count, and which policies they are.

What is found is remembered for as long as the account is the newest, so a principal's policies are put together once for each
change of the account and not for each request. A policy that stands in the account was checked before it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf

from brownout.identity.aws.arns import Arn
from brownout.identity.aws.auth.account import SealingKeyView
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.known_signers import KnownSigners
from brownout.identity.aws.auth.sealing import SealingSpan
from brownout.identity.aws.errors import invalid_client_token_id
from brownout.identity.aws.policy import managed
from brownout.identity.aws.policy.context import EMPTY, RequestPrincipal
from brownout.identity.aws.policy.document import PolicyDocument, PolicyKind
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.principals import Group, Role, User
from brownout.identity.aws.records.published import PublishedAccount

Tags = dict[str, str]
Settled = tuple[str, str, str]  # the caller's ARN, the action, the role's ARN
SETTLED_MAX = 4096
ALLOW_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


@dataclass(frozen=True, slots=True)
class Permissions:
    """What hangs on a user or role: identity-based policies (of groups too), the boundary, its own tags."""

    policies: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None
    tags: Tags = field(default_factory=dict)


class AccountIndex:
    """What requests ask of one account."""

    def __init__(self, account: PublishedAccount) -> None:
        self.account = account
        self._permissions: dict[str, Permissions] = {}  # by ARN of user or role
        self._principals: dict[str, RequestPrincipal] = {}  # of long-term keys, by ARN
        self._sealing = SealingSpan(None, inf, -inf)
        self._settled: dict[Settled, Role] = {}
        self.signers = KnownSigners()

    def sealing_key(self, now_s: float) -> SealingKeyView | None:
        """The key to seal session tokens with at `now_s`; None when the region has none that is valid."""
        if not self._sealing.from_s <= now_s < self._sealing.until_s:
            self._sealing = SealingSpan.at(self.account.sealing_keys.values(), now_s)
        return self._sealing.key

    def settled_role(self, caller: Caller, action: str, arn: str) -> Role | None:
        """The role of that ARN when the caller may do the action to it, whatever else a request without tags says; else None.

        That is known of a long-term key once such a request was allowed and no policy that has the action asks for more than
        who asks for which role: then all that could change the decision is another account, which has another index.
        """
        return None if caller.session is not None else self._settled.get((caller.arn, action, arn))

    def settle(self, caller: Caller, action: str, role: Role, trust: PolicyDocument) -> None:
        """Notes that such a request of the caller's was allowed; the role's policy is `trust`."""
        if caller.session is not None:
            return
        held = self.permissions(caller)
        documents = (*held.policies, trust) if held.boundary is None else (*held.policies, trust, held.boundary)
        if all(document.asks_nothing_more(action.lower()) for document in documents):
            if len(self._settled) >= SETTLED_MAX:
                self._settled.clear()
            self._settled[caller.arn, action, role.arn] = role

    def permissions(self, caller: Caller) -> Permissions:
        """What hangs on the caller's user or role; raises AwsError InvalidClientTokenId when there is none of that id."""
        if caller.kind == "root":
            return Permissions()
        if caller.session is None and caller.principal_arn in self._permissions:
            return self._permissions[caller.principal_arn]  # authentication has found the user of a long-term key
        if caller.kind == "assumed-role":
            role = self.account.roles.get(caller.principal_name.lower())
            if role is None or caller.session is None or role.role_id != caller.session.principal_id:
                raise invalid_client_token_id()
            return self.of(role)
        if caller.kind == "federated-user" and Arn.parse(caller.principal_arn).kind == "root":
            return Permissions((parse_document(ALLOW_ALL, "identity"),))
        user = self.account.user(caller.principal_name)
        if user is None or (caller.session is not None and user.user_id != caller.session.principal_id):
            raise invalid_client_token_id()
        return self.of(user)

    def check_alive(self, caller: Caller) -> None:
        """Raises AwsError InvalidClientTokenId when the caller's user or role is gone."""
        if caller.session is not None:  # authentication has looked for the user of a long-term key
            self.permissions(caller)

    def of(self, holder: User | Role) -> Permissions:
        """What hangs on the user or role."""
        found = self._permissions.get(holder.arn)
        if found is None:
            boundary = self.policy(holder.boundary, "boundary") if holder.boundary else None
            found = Permissions(tuple(self._policies(holder)), boundary, dict(holder.tags))
            self._permissions[holder.arn] = found
        return found

    def _policies(self, holder: User | Role) -> Iterator[PolicyDocument]:
        holders: list[User | Role | Group] = [holder]
        if isinstance(holder, User):
            groups = (self.account.groups.get(name.lower()) for name in holder.groups)
            holders.extend(group for group in groups if group is not None)
        for each in holders:
            yield from (parse_document(text, "identity") for text in each.inline.values())
            attached = (self.policy(arn, "managed") for arn in each.attached)
            yield from (document for document in attached if document is not None)

    def policy_text(self, arn: str) -> str | None:
        """The document in force of a managed policy, of the account or of AWS; None for none."""
        found = self.account.policies.get(arn) or managed.aws_managed_policies().get(arn)
        return None if found is None else found.document

    def policy(self, arn: str, kind: PolicyKind) -> PolicyDocument | None:
        text = self.policy_text(arn)
        return None if text is None else parse_document(text, kind)

    def session_policies(self, caller: Caller) -> tuple[PolicyDocument, ...] | None:
        """The policies of the caller's session; None where there are none and the session may do what its principal may.

        A managed policy that has been deleted since allows nothing.
        """
        session = caller.session
        if session is None or not (session.session_policies or session.policy_arns or session.kind == "federated-user"):
            return None
        found = [parse_document(text, "session") for text in session.session_policies]
        attached = (self.policy(arn, "managed") for arn in session.policy_arns)
        return (*found, *(document for document in attached if document is not None))

    def principal(self, caller: Caller) -> RequestPrincipal:
        """The caller as policies see it; raises AwsError as `permissions` does."""
        session = caller.session
        if session is None:
            known = self._principals.get(caller.arn)
            if known is None:
                known = self._principals[caller.arn] = self._plain(caller)
            return known
        own = {} if caller.kind == "federated-user" else self.permissions(caller).tags
        return replace(
            self._plain(caller),
            tags={**own, **session.tags},
            token_issued_s=session.issued_s,
            mfa_authenticated_s=session.mfa_s,
            source_identity=session.source_identity,
            federated_provider=next(iter(session.facts.get("aws:FederatedProvider", ())), ""),
        )

    def _plain(self, caller: Caller) -> RequestPrincipal:
        name = caller.principal_name if caller.kind == "user" else ""
        tags = self.permissions(caller).tags if caller.kind == "user" else EMPTY
        return RequestPrincipal(caller.kind, caller.account_id, caller.arn, caller.principal_arn, caller.user_id, name, tags)
